from sqlalchemy_vecsearch.sqlstates import sqlstate_of


class PsycopgError(Exception):
    sqlstate = "57014"


class Psycopg2Error(Exception):
    pgcode = "42704"


def test_every_driver_tells_its_code():
    assert sqlstate_of(PsycopgError()) == "57014"
    assert sqlstate_of(Psycopg2Error()) == "42704"
    assert sqlstate_of(Exception({"C": "55P03", "M": "canceling"})) == "55P03"
    assert sqlstate_of(Exception("x")) is None
