"""What people see of a URL."""

from __future__ import annotations

import pytest

from sqlalchemy_vecsearch.errors import ServerError
from sqlalchemy_vecsearch.urls import HiddenUrl, driver_sentence, parsed_url, shown_url, without_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://app:a%40b@host/shop", "postgresql://app:***@host/shop"),
        ("postgresql://app@host/shop?password=a&sslmode=require", "postgresql://app@host/shop?password=***&sslmode=require"),
        ("postgresql://host/shop?sslpassword=a&oauth_client_secret=b", "postgresql://host/shop?oauth_client_secret=***&sslpassword=***"),
        ("postgresql://host/shop?options=-c%20app.token%3Dx", "postgresql://host/shop?options=***"),
        ("postgresql://host/shop?options=-c%20jit%3Doff", "postgresql://host/shop?options=-c+jit%3Doff"),
        ("postgresql://host/shop?options=-capp.secret_key%20%3D%20x", "postgresql://host/shop?options=***"),
        ("postgresql://host/shop?options=-c%20app.key%3Dx", "postgresql://host/shop?options=***"),
        ("postgresql://host/shop?options=--app.key%3Dx%20-cjit%3Doff", "postgresql://host/shop?options=***"),
        ("postgresql://host/shop?options=-c%20role%3Da%5C%20b", "postgresql://host/shop?options=***"),
        ("postgresql://host/shop?sslkey=x&sslmode=require", "postgresql://host/shop?sslkey=***&sslmode=require"),
        ("postgresql://host/shop?sslcert=x&anything=y", "postgresql://host/shop?anything=***&sslcert=***"),
        ("postgresql://host/shop?Password=x", "postgresql://host/shop?Password=***"),
        ("postgresql://host?dbname=postgresql%3A//app:x@db/shop", "postgresql://host?dbname=***"),
        ("postgresql://host/user=app%20sslkey=x", "postgresql://host/***"),
        ("postgresql://host?dbname=host%3Ddb%20PASSWORD%3Dx", "postgresql://host?dbname=***"),
        ("postgresql://host/user=app%20password=x", "postgresql://host/***"),
        ("postgresql://host/passwords?application_name=token", "postgresql://host/passwords?application_name=token"),
        ("postgresql://host/shop?password=a&password=b", "postgresql://host/shop?password=***"),
    ],
)  # fmt: skip
def test_a_url_is_shown_without_its_secrets(url, shown):
    assert shown_url(url) == shown
    assert repr(HiddenUrl(url)) == repr(shown)
    assert HiddenUrl(url) == url


def test_a_driver_that_repeats_a_secret_is_not_repeated():
    url = "postgresql://app:p%40ss@host/shop?sslpassword=key's"
    said = "bad: p@ss, p%40ss, key's, passing"
    assert without_secrets(said, url) == "bad: ***, ***, ***, passing"
    assert driver_sentence(ValueError("no 'p@ss'\n\tIs it right?\n"), url) == "no '***'."
    assert driver_sentence(ValueError("Is it p@ss?"), url) == "Is it ***?"
    url = "postgresql://host/shop?options=-c app.key=k3y -c jit=off&sslkey=pem"
    assert driver_sentence(ValueError("no k3y, no pem, off"), url) == "no ***, no ***, off."
    url = "postgresql://host/user=app password=x"
    assert driver_sentence(ValueError("no database 'user=app password=x'"), url) == "no database '***'."


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "sqlite://",
        "postgresql://app:very:secret@host:port/shop",
        "postgresql://app:very@secret@host/shop",
    ],
)
def test_what_is_no_url_is_refused_and_not_shown(text):
    with pytest.raises(ServerError) as refused:
        parsed_url(text, setting="URL=")
    assert str(refused.value).endswith(" Write URL=postgresql://user:password@host:5432/name.")
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None
