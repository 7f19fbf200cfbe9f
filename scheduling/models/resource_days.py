"""How much of each resource is booked, day by day, as bitmaps: what a search reads instead of the rows.

A derived table: triggers on Allocation keep it (docs/adr/0010), whoever writes, in the same transaction.
Days are UTC days, always 288 ticks of five minutes, so no change of clocks or of a site's zone touches it.
"""

from django.db import models


class ResourceDay(models.Model):
    """One resource on one UTC date. No row, or an empty plane, is nothing booked.

    ``exclusive`` and ``shared`` are carry planes of 36 bytes each, one after the other: a bit of the k-th
    is set where k or more allocations of that use touch the tick. A plane is one big-endian number, its
    lowest bit the tick at 00:00. Planes know no capacity, so a change of capacity changes nothing here.
    Visits only: what is held for a while is read from its rows.
    """

    pk = models.CompositePrimaryKey("resource_id", "day")
    resource = models.ForeignKey(
        "scheduling.Resource", on_delete=models.CASCADE, related_name="days", db_index=False
    )
    day = models.DateField(help_text="In UTC.")
    exclusive = models.BinaryField(default=b"")
    shared = models.BinaryField(default=b"")

    class Meta:
        ordering = ("resource_id", "day")

    def __str__(self) -> str:
        return f"{self.day}"
