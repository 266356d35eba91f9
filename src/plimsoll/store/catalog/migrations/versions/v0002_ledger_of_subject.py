"""The ledger by subject: what was decided about one release, without reading the rest."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ledger_of_subject", "ledger", ["subject", "seq"])
