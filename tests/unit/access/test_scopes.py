"""A program may do what its scopes say at its sites; roles count for nothing there."""

from clinic.access.policy import PERMISSIONS, SCOPES, Actor, Role

PROGRAM = Actor(user_id=7, roles={1: frozenset({Role.SERVICE})}, scopes=frozenset({"patients.read"}))


def test_scopes_at_its_sites_only() -> None:
    assert PROGRAM.may("patients.read")
    assert PROGRAM.may("patients.read", 1)
    assert not PROGRAM.may("patients.read", 2)
    assert PROGRAM.sites("patients.read") == [1]
    others = [name for name in PERMISSIONS if name != "patients.read"]
    assert not any(PROGRAM.may(name, 1) or PROGRAM.sites(name) for name in others)


def test_a_role_adds_nothing_to_a_program() -> None:
    nurse = Actor(user_id=7, roles={1: frozenset({Role.NURSE})}, scopes=frozenset())
    assert not any(nurse.may(name, 1) for name in PERMISSIONS)


def test_staffing_is_no_scope() -> None:
    assert "staff.write" not in SCOPES
    assert set(SCOPES) < set(PERMISSIONS)
