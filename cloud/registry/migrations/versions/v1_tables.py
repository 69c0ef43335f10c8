"""The first tables. `*` marks the key, `?` what may be null."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "1"
down_revision = None
branch_labels = None
depends_on = None

# names are ordered by their letters' numbers, wherever the server stands; SQLite does so by itself
TEXT = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
TYPES: dict[str, sa.types.TypeEngine[Any]] = {
    "int": sa.BigInteger(),
    "text": TEXT,
    "float": sa.Double(),
    "bool": sa.Boolean(),
}
TABLES = {
    "regions": "region* int, level text, parent int, code? text, name_ko text, name_en? text, valid_from_s int, "
    "valid_to_s int, longitude? float, latitude? float, households? int, persons? int, source? text",
    "predecessors": "region* int, predecessor* int, weight float, basis? text",
    "boundaries": "region* int, geometry text, source? text",
    "sites": "site* text, name_ko text, name_en? text, kind text, region? int, live bool",
    "buildings": "building* text, from_s* int, to_s int, site? text, region? int, use? int, floor_m2? float, "
    "name_ko? text, name_en? text",
    "units": "building* text, unit* text, floor_m2? float",
    "gateways": "gateway* text, area text, site? text",
    "meters": "meter* text, utility text, role text, parent? text, building? text, unit? text, quantities text",
    "lives": "meter* text, installed_s* int, removed_s int, serial? text, digits? int, opening? float, closing? float",
    "multipliers": "meter* text, from_s* int, multiplier float",
    "assignments": "meter* text, from_s* int, to_s int, gateway text",
    "capacities": "meter* text, from_s* int, max_per_h float, kind text",
    "outages": "outage* text, from_s int, to_s int, meter? text, gateway? text, site? text, region? int, "
    "utility? text, reason text",
    "acts": "act* int, at_s int, by text, reason? text, source text, mark text",
    "changes": "act* int, change* int, entity text, key text, field text, before? text, after? text",
}
INDEXES = {
    "ix_meters_building": ("meters", ["building"]),
    "ix_assignments_gateway": ("assignments", ["gateway"]),
    "ix_changes_key": ("changes", ["entity", "key"]),
}


def upgrade() -> None:
    """Make them."""
    for name, columns in TABLES.items():
        made = [_column(text.strip()) for text in columns.split(",")]
        one_number = made[0].type.python_type is int
        # PostgreSQL looks for the act of each row by itself, 40 % of a city's import; who writes them wrote the act
        checked = name == "changes" and op.get_bind().dialect.name != "postgresql"
        more = [sa.ForeignKeyConstraint(["act"], ["acts.act"])] if checked else []
        op.create_table(name, *made, *more, sqlite_with_rowid=one_number and name != "changes")
    for index, (table, columns_of) in INDEXES.items():
        op.create_index(index, table, columns_of)


def downgrade() -> None:
    """Take them away."""
    for name in reversed(TABLES):
        op.drop_table(name)


def _column(text: str) -> sa.Column[object]:
    name, kind = text.split()
    return sa.Column(name.rstrip("*?"), TYPES[kind], primary_key="*" in name, nullable="?" in name, autoincrement=False)
