import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F


class Migration(migrations.Migration):
    """API tokens become sign-ins, of browsers too. Those issued before end: they carry no password mark."""

    dependencies = [("access", "0001_initial")]

    operations = [
        migrations.RenameModel("ApiToken", "SignIn"),
        migrations.AlterModelOptions("signin", {"ordering": ("-created_at", "-id")}),
        migrations.AlterField(
            "signin",
            "user",
            models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="sign_ins",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            "signin",
            "door",
            models.CharField(
                choices=[("browser", "Browser"), ("api", "API token")], default="api", max_length=8
            ),
        ),
        migrations.AddField("signin", "agent", models.CharField(blank=True, max_length=60)),
        migrations.AddField("signin", "second_factor", models.BooleanField(default=False)),
        migrations.AddField(
            "signin", "password_mark", models.CharField(blank=True, editable=False, max_length=64)
        ),
        migrations.AddField("signin", "last_used_at", models.DateTimeField(null=True)),
        migrations.RunPython(
            lambda apps, _schema: apps.get_model("access", "SignIn").objects.update(
                last_used_at=F("created_at")
            ),
            migrations.RunPython.noop,
        ),
        migrations.AlterField("signin", "last_used_at", models.DateTimeField()),
        migrations.CreateModel(
            "CredentialTry",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("password", "Password"), ("code", "Second factor")], max_length=8
                    ),
                ),
                ("account", models.BinaryField(max_length=32)),
                ("address", models.BinaryField(max_length=32)),
                ("at", models.DateTimeField(db_index=True)),
                ("forgiven", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ("-at", "-id"),
                "indexes": [
                    models.Index(fields=["account", "kind", "-at"], name="credential_try_account"),
                    models.Index(fields=["address", "-at"], name="credential_try_address"),
                ],
            },
        ),
        migrations.CreateModel(
            "SecondFactorReset",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=300)),
                ("at", models.DateTimeField()),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="factor_resets",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"ordering": ("-at", "-id")},
        ),
        migrations.CreateModel(
            "ServiceToken",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40), size=None
                    ),
                ),
                ("prefix", models.CharField(editable=False, max_length=16)),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                ("created_at", models.DateTimeField(editable=False)),
                ("expires_at", models.DateTimeField()),
                ("last_used_at", models.DateTimeField(editable=False, null=True)),
                ("revoked_at", models.DateTimeField(editable=False, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("sites", models.ManyToManyField(related_name="service_tokens", to="access.site")),
                (
                    "user",
                    models.OneToOneField(
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="service_token",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"ordering": ("-created_at", "-id")},
        ),
    ]
