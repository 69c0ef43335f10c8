"""Arrow tables whose bytes depend on their rows alone: by default what lies under a null, and behind the last bit of
a bitmap, is whatever was in memory, and a version made of the bytes would differ for equal tables.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def canonical(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The same rows in `schema`."""
    columns = [_column(table.column(field.name), field.type) for field in schema]
    return pa.table(columns, schema=schema)


def _column(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        encoded = column.cast(kind.value_type).combine_chunks().dictionary_encode()
        return pa.DictionaryArray.from_arrays(_plain(encoded.indices), encoded.dictionary)
    return _plain(column.cast(kind).combine_chunks())


def _plain(array: pa.Array) -> pa.Array:
    if not len(array):
        return array
    valid = _bits(pc.is_valid(array)) if array.null_count else None
    nothing = "" if pa.types.is_string(array.type) else False
    filled = pc.fill_null(array, pa.scalar(nothing).cast(array.type))
    assert filled.offset == 0  # what was combined or filled begins where its memory does
    values = [_bits(filled)] if pa.types.is_boolean(array.type) else filled.buffers()[1:]
    return pa.Array.from_buffers(array.type, len(array), [valid, *values])


def _bits(flags: pa.Array) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags.to_numpy(zero_copy_only=False), bitorder="little"))
