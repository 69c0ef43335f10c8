"""The registry's tables in bulk as Arrow, in and out: row by row in SQLite, by COPY in PostgreSQL."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Delete,
    Insert,
    Integer,
    MetaData,
    Table,
    Update,
    bindparam,
    cast,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import DatabaseError
from sqlalchemy.sql.compiler import SQLCompiler

from cloud.registry.models import Base

CHUNK = 100_000
_KEY = "key_"  # before the name of a parameter by which a row is found
_TYPES = {int: pa.int64(), str: pa.string(), float: pa.float64(), bool: pa.bool_()}
_GIVEN = "given"  # a table of the transaction's own


def table_of(name: str) -> Table:
    """The table by its name."""
    return Base.metadata.tables[name]


def schema_of(table: Table) -> pa.Schema:
    """The table's columns in Arrow."""
    return pa.schema([(column.name, _TYPES[column.type.python_type]) for column in table.columns])


def load_table(connection: Connection, table: Table) -> pa.Table:
    """The whole table, in bulk."""
    if _copies(connection):
        return _copy_out(connection, table)
    columns = [cast(c, Integer).label(c.name) if c.type.python_type is bool else c for c in table.columns]
    statement = str(select(*columns).compile(connection.engine))
    cursor: Any = connection.exec_driver_sql(statement).cursor
    schema = schema_of(table)
    batches = []
    while rows := cursor.fetchmany(CHUNK):
        arrays = [_array(values, field) for values, field in zip(zip(*rows, strict=True), schema, strict=True)]
        batches.append(pa.record_batch(arrays, schema=schema))
    cursor.close()
    return pa.Table.from_batches(batches, schema)


def insert_rows(connection: Connection, table: Table, rows: pa.Table) -> None:
    """Add rows, which have all columns of the table."""
    if _copies(connection):
        _copy_in(connection, table.name, rows)
    else:
        _run(connection, insert(table), rows)


def update_rows(connection: Connection, table: Table, rows: pa.Table) -> None:
    """Give the rows of these keys new values; they have all columns of the table."""
    if not _copies(connection):
        values: dict[str, Any] = {one.name: bindparam(one.name) for one in table.columns if not one.primary_key}
        _run(connection, update(table).where(*_same_key(table)).values(values), rows)
    elif rows.num_rows:
        given = _given(connection, table, rows)
        values = {one.name: given.c[one.name] for one in table.columns if not one.primary_key}
        connection.execute(update(table).where(*_same_row(table, given)).values(values))
        given.drop(connection)


def delete_rows(connection: Connection, table: Table, rows: pa.Table) -> None:
    """Remove the rows of these keys."""
    if not _copies(connection):
        _run(connection, delete(table).where(*_same_key(table)), rows)
    elif rows.num_rows:
        given = _given(connection, table, rows)
        connection.execute(delete(table).where(*_same_row(table, given)))
        given.drop(connection)


def _copies(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def _copy_out(connection: Connection, table: Table) -> pa.Table:
    """Only what is quoted is a text, so that an empty one is told from null."""
    schema, into = schema_of(table), BytesIO()
    statement = select(*table.columns).compile(connection.engine)
    _copy(connection, f"COPY ({statement}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)", into)
    if not into.tell():
        return schema.empty_table()
    convert = pacsv.ConvertOptions(
        column_types=schema,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    read = pacsv.ReadOptions(column_names=schema.names, block_size=1 << 24)
    source = pa.BufferReader(pa.py_buffer(into.getbuffer()))
    return pacsv.read_csv(source, read, pacsv.ParseOptions(newlines_in_values=True), convert)


def _copy_in(connection: Connection, name: str, rows: pa.Table) -> None:
    if rows.num_rows:
        columns = ", ".join(f'"{column}"' for column in rows.column_names)
        _copy(connection, f'COPY "{name}" ({columns}) FROM STDIN (FORMAT csv)', _texts(rows))


def _texts(rows: pa.Table) -> Iterator[bytes]:
    options = pacsv.WriteOptions(include_header=False, quoting_style="all_valid")
    for batch in rows.to_batches(CHUNK):
        text = BytesIO()
        pacsv.write_csv(batch, text, options)
        yield text.getvalue()


def _copy(connection: Connection, statement: str, stream: BytesIO | Iterator[bytes]) -> None:
    """By the driver's own cursor, which alone knows COPY: its errors become SQLAlchemy's here."""
    cursor: Any = connection.connection.cursor()
    try:
        cursor.execute(statement, stream=stream)
    except connection.dialect.loaded_dbapi.Error as error:
        raise DatabaseError(statement, None, error) from error
    finally:
        cursor.close()


def _given(connection: Connection, table: Table, rows: pa.Table) -> Table:
    """These rows as a table beside it."""
    given = Table(_GIVEN, MetaData(), *(Column(one.name, one.type) for one in table.columns), prefixes=["TEMPORARY"])
    given.create(connection, checkfirst=False)
    _copy_in(connection, _GIVEN, rows)
    return given


def _same_row(table: Table, given: Table) -> list[ColumnElement[bool]]:
    return [column == given.c[column.name] for column in table.primary_key]


def _same_key(table: Table) -> list[ColumnElement[bool]]:
    return [column == bindparam(f"{_KEY}{column.name}") for column in table.primary_key]


def _run(connection: Connection, statement: Insert | Update | Delete, rows: pa.Table) -> None:
    """The statement for each row. The driver is given plain rows: millions of dictionaries would cost minutes."""
    compiled = statement.compile(connection.engine)
    assert isinstance(compiled, SQLCompiler)
    names = compiled.positiontup or list(compiled.params)
    for batch in rows.select([name.removeprefix(_KEY) for name in names]).to_batches(CHUNK):
        tuples = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
        parameters = tuples if compiled.positional else [dict(zip(names, row, strict=True)) for row in tuples]
        connection.exec_driver_sql(str(compiled), parameters)


def _array(values: Sequence[Any], field: pa.Field) -> pa.Array:
    return pa.array(values, pa.int8()).cast(pa.bool_()) if field.type == pa.bool_() else pa.array(values, field.type)
