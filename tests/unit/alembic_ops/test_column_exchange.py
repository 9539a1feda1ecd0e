from __future__ import annotations

import pytest

from alembic_ops.model.column_exchange import Exchange
from alembic_ops.planning.column_swap import column_renames
from alembic_ops.planning.index_pairs import with_names_exchanged

PAIRS = (Exchange(live="embedding", replacement="V2"), Exchange(live="embedding_model", replacement="V2_model"))


@pytest.mark.parametrize(
    ("expression", "exchanged"),
    [
        ("(embedding IS NULL)", '("V2" IS NULL)'),
        ('(("V2" IS NULL) AND (embedding IS NULL))', '((embedding IS NULL) AND ("V2" IS NULL))'),
        ("(embedding_model = 'embedding'::text)", "(\"V2_model\" = 'embedding'::text)"),
        ("(embedding_model = 'it''s embedding'::text)", "(\"V2_model\" = 'it''s embedding'::text)"),
        (r"(body <> E'\\embedding\' embedding'::text)", r"(body <> E'\\embedding\' embedding'::text)"),
        ("public.embedding(embedding)", 'public.embedding("V2")'),
        ("(body)::embedding", "(body)::embedding"),
        ("(embedding2 IS NULL)", "(embedding2 IS NULL)"),
        ('("v2" IS NULL)', '("v2" IS NULL)'),
    ],
)
def test_names_of_columns_are_exchanged_in_an_expression_and_nothing_else(expression, exchanged):
    assert with_names_exchanged(expression, PAIRS) == exchanged
    assert with_names_exchanged(exchanged, PAIRS) == expression


def test_every_pair_of_columns_exchanges_its_names_by_a_third_one():
    assert column_renames("public.document", PAIRS) == [
        "ALTER TABLE public.document RENAME COLUMN embedding TO embedding__swap",
        'ALTER TABLE public.document RENAME COLUMN "V2" TO embedding',
        'ALTER TABLE public.document RENAME COLUMN embedding__swap TO "V2"',
        "ALTER TABLE public.document RENAME COLUMN embedding_model TO embedding_model__swap",
        'ALTER TABLE public.document RENAME COLUMN "V2_model" TO embedding_model',
        'ALTER TABLE public.document RENAME COLUMN embedding_model__swap TO "V2_model"',
    ]
