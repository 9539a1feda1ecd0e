from searched_corpus import Article, Chunk, plan_of
from sqlalchemy import func, select

from sqlalchemy_vecsearch import count_within, distance


def exact_count(session, entity, column, query, within):
    return session.scalar(select(func.count()).select_from(entity).where(distance(column, query) <= within))


def test_a_count_is_exact_below_its_bound(session, query):
    assert 0 < exact_count(session, Chunk, Chunk.embedding, query, 0.3) < 200
    statement = count_within(Chunk, Chunk.embedding, query, within=0.3, at_most=200)
    assert session.scalar(statement) == exact_count(session, Chunk, Chunk.embedding, query, 0.3)


def test_a_count_stops_at_its_bound(session, query):
    assert session.scalar(count_within(Chunk, Chunk.embedding, query, within=0.9, at_most=50)) == 50


def test_a_count_over_a_quantised_index_reaches_its_bound(session, query):
    assert session.scalar(count_within(Article, Article.bits, query, within=1.9, at_most=70)) == 70


def test_a_count_of_filtered_rows_counts_no_others(session, query):
    source = select(Chunk).where(Chunk.number == 1)
    counted = session.scalar(count_within(source, Chunk.embedding, query, within=2, at_most=5000))
    assert counted == session.scalar(select(func.count()).select_from(Chunk).where(Chunk.number == 1))


def test_the_index_serves_a_count(session, query):
    plan = plan_of(session, count_within(Chunk, Chunk.embedding, query, within=0.3, at_most=100))
    assert "Index Scan using ix_chunk_embedding" in plan
    assert plan.count("Seq Scan") == 1  # the way that is not taken
