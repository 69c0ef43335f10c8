"""What Alembic runs: the migrations, over the connection that `cloud.registry.database` hands it."""

from alembic import context

from cloud.registry.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
