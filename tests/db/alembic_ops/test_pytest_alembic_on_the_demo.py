"""The four standard tests of pytest-alembic, on the Alembic project of the demo."""

from pathlib import Path

import pytest
import pytest_alembic
from alembic.config import Config
from pytest_alembic.config import Config as PytestAlembicConfig
from pytest_alembic.tests import default

from sqlalchemy_vecsearch import demo


@pytest.mark.parametrize(
    "standard",
    [
        default.test_single_head_revision,
        default.test_upgrade,
        default.test_model_definitions_match_ddl,
        default.test_up_down_consistency,
    ],
    ids=lambda test: test.__name__.removeprefix("test_"),
)
def test_the_demo_passes_the_standard_test(make_engine, bare_url, standard):
    engine = make_engine(url=bare_url)
    config = Config()
    config.set_main_option("script_location", str(Path(demo.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = engine.url.render_as_string(hide_password=False)
    with pytest_alembic.runner(config=PytestAlembicConfig(alembic_config=config), engine=engine) as alembic_runner:
        standard(alembic_runner)
