"""What the service answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.models import Article

from sqlalchemy_vecsearch import refresh

if TYPE_CHECKING:
    from fastapi.testclient import TestClient
    from sqlalchemy import Engine


def test_a_question_in_other_words_finds_the_article(client: TestClient) -> None:
    found = client.get("/search", params={"q": "I can not log in any more", "lang": "en", "k": 3}).json()
    assert "reset-password" in [article["slug"] for article in found]
    assert found == sorted(found, key=lambda article: article["distance"])


def test_a_filter_holds_and_takes_no_places(client: TestClient) -> None:
    found = client.get("/search", params={"q": "warranty", "lang": "de", "k": 2}).json()
    assert {article["slug"] for article in found} == {"garantie", "passwort"}


def test_a_word_that_no_model_knows_is_found_by_words(client: TestClient) -> None:
    best, *others = client.get("/hybrid", params={"q": "E42", "k": 3}).json()
    assert (best["slug"], best["words"]) == ("error-e42", 1)
    assert [article["words"] for article in others] == [None, None]


def test_the_articles_like_one_leave_that_one_out(client: TestClient) -> None:
    found = client.get("/articles/refunds/like", params={"k": 13}).json()
    assert len(found) == 13
    assert "refunds" not in [article["slug"] for article in found]


def test_an_unknown_article_is_404_and_a_bad_question_422(client: TestClient) -> None:
    assert client.get("/articles/none/like").status_code == 404
    assert client.get("/search", params={"q": ""}).status_code == 422
    assert client.get("/search", params={"q": "a", "k": 0}).status_code == 422


def test_a_stored_article_is_found_once_the_worker_has_embedded_it(client: TestClient, engine: Engine) -> None:
    new = {"title": "Gift vouchers", "body": "A voucher can be given away as a birthday present."}
    assert client.put("/articles/vouchers", json=new).status_code == 204
    assert client.get("/state").json()["pending"] == 1

    refresh(engine, Article.embedding)

    assert client.get("/state").json()["pending"] == 0
    (best,) = client.get("/search", params={"q": "something for a birthday", "k": 1}).json()
    assert best["slug"] == "vouchers"
    assert client.delete("/articles/vouchers").status_code == 204
