"""From messages that arrived to what is to be committed, receipted and acknowledged for them. No I/O.

What becomes of a message is settled in this order, and why: first the store has it on disk, since nothing else
keeps it; then its receipt is published; then it is acknowledged to the broker. Both of the latter go the same way
in this order. Were the acknowledgement first, a crash between the two would leave nobody to make the receipt, and
the gateway would wait for its time-out before it sent the batch again; as it is, the broker delivers the batch once
more, it is found to be a duplicate, and receipted at once.
"""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from cloud.ingest.check import Bounds, Checked, Message, Refusal, check
from cloud.ingest.gaps import Gaps
from cloud.ingest.gateways import Gateways
from cloud.ingest.known import Known
from cloud.ingest.ledger import Ledger, Row, Verdict, content_hash
from cloud.ingest.link import Arrived
from cloud.ingest.metrics import Metrics
from cloud.store.protocol import APPEND, LEDGER, ORIGINS, QUARANTINE, RUNS, SPANS, Commit, origins_of
from contract.messages import Receipt, decode_birth, decode_state, to_ranges
from contract.problems import Problem
from contract.refusals import NOT_SENML, STORE_REFUSED
from contract.senml import MAX_BATCH_BYTES
from contract.topics import Address, BatchId, parse_batch, parse_topic

LOG = logging.getLogger(__name__)

EMPTY_BATCH = b"[]"


@dataclass
class Books:
    """What ingest remembers between messages."""

    ledger: Ledger
    gateways: Gateways
    gaps: Gaps
    metrics: Metrics


@dataclass(frozen=True)
class Prepared:
    """One commit, the receipts that it makes true, by gateway, and the messages that are then done with."""

    commit: Commit
    receipts: dict[str, Receipt]
    arrived: Sequence[Arrived]


@dataclass
class _Sorted:
    """What a pile of messages holds, besides births and states, which are taken at once."""

    messages: list[Message] = field(default_factory=list)
    batches: list[BatchId | None] = field(default_factory=list)  # of each message
    arrived_s: list[float] = field(default_factory=list)  # of each message
    ledger: list[Row] = field(default_factory=list)
    done: dict[str, list[BatchId]] = field(default_factory=dict)  # by gateway


def prepare(arrived: Sequence[Arrived], area: str, known: Known, books: Books, bounds: Bounds) -> Prepared:
    """Judge all that arrived. What this notes in `books` holds once the commit is made: none may be skipped."""
    pile = _Sorted()
    for message in arrived:
        address = parse_topic(message.topic)
        if address is None or address.area != area:
            LOG.warning("message on a topic that is not ours topic=%.200r", message.topic)
        elif address.leaf == "readings":
            _take_batch(pile, address, message, books)
        else:
            _take_news(address, message, known, books)
    checked = _check(pile.messages, known, bounds)
    _count(pile, checked, known, books)
    commit = Commit(
        readings=checked.readings,
        origins=pa.table(
            [checked.counts, [message.gateway for message in pile.messages], [str(b or "") for b in pile.batches]],
            schema=ORIGINS,
        ),
        ledger=_rows(pile.ledger, LEDGER),
        quarantine=_quarantine(pile, checked),
        spans=_rows(books.ledger.fold(), SPANS),
        forgotten=_rows(books.ledger.forgotten(), RUNS),
    )
    return Prepared(commit, _receipts(pile, checked, arrived), arrived)


def _check(messages: Sequence[Message], known: Known, bounds: Bounds) -> Checked:
    """As `check`. Should a mistake of ours make it fail, all but the messages that fail by themselves go on."""
    try:
        return check(messages, known, bounds)
    except Exception:
        # without this, one message would stop the area at every start, since the broker delivers it again
        LOG.exception("check failed messages=%d", len(messages))
        if len(messages) == 1:
            whole = messages[0].payload.decode("utf-8", "replace")
            return Checked(
                APPEND.empty_table(), np.zeros(1, np.int64), [Refusal(0, NOT_SENML, whole)], np.full(1, np.nan)
            )
    half = len(messages) // 2
    one, other = _check(messages[:half], known, bounds), _check(messages[half:], known, bounds)
    return Checked(
        pa.concat_tables([one.readings, other.readings]).combine_chunks(),
        np.concatenate([one.counts, other.counts]),
        [*one.refusals, *(refusal._replace(message=refusal.message + half) for refusal in other.refusals)],
        np.concatenate([one.sent_s, other.sent_s]),
    )


def _take_batch(pile: _Sorted, address: Address, message: Arrived, books: Books) -> None:
    gateway, batch, payload = address.gateway, address.batch, message.payload
    books.metrics.batches.inc()
    books.gaps.noted(gateway, message.arrived_s)
    if batch is not None:
        hashed = content_hash(payload)
        empty = payload == EMPTY_BATCH
        verdict = books.ledger.judge(gateway, batch, hashed, message.arrived_s, empty=empty)
        pile.done.setdefault(gateway, []).append(batch)
        if verdict is Verdict.DUPLICATE:
            books.metrics.duplicates.inc()
            return
        if verdict is Verdict.CONFLICT:
            LOG.error("batch came again with another content, both stored gateway=%s batch=%s", gateway, batch)
            books.metrics.conflicts.inc()
        pile.ledger.append((gateway, batch.run, batch.n, hashed))
    pile.messages.append(Message(gateway, payload))
    pile.batches.append(batch)
    pile.arrived_s.append(message.arrived_s)


def _take_news(address: Address, message: Arrived, known: Known, books: Books) -> None:
    """A birth or a state. Of a gateway that is not known nothing is kept, nor what is larger than any batch.

    An empty one says nothing: it clears what the broker had retained of a gateway that was taken back.
    """
    if not known.knows(address.gateway) or not 0 < len(message.payload) <= MAX_BATCH_BYTES:
        return
    try:
        if address.leaf == "birth":
            birth = decode_birth(message.payload)
            if birth.gateway != address.gateway:
                LOG.warning("birth under another's name refused topic=%s says=%.64r", message.topic, birth.gateway)
                return
            books.gateways.born(address.gateway, birth, message.arrived_s)
        elif address.leaf == "state":
            books.gateways.stated(address.gateway, decode_state(message.payload), message.arrived_s)
            books.gaps.noted(address.gateway, message.arrived_s)
    except Problem as problem:
        LOG.warning("message unreadable gateway=%s why=%r", address.gateway, problem.text.en)
    except Exception:
        # as in `_check`: a retained message that stopped the area would stop it again at every start
        LOG.exception("message not taken gateway=%s leaf=%s", address.gateway, address.leaf)


def _count(pile: _Sorted, checked: Checked, known: Known, books: Books) -> None:
    """Metrics, and by gateway how late its readings come."""
    if checked.readings.num_rows:
        books.metrics.readings.inc(checked.readings.num_rows)
        books.metrics.stored_s.set(max(pile.arrived_s))
    for refusal in checked.refusals:
        books.metrics.quarantined.labels(refusal.reason).inc(refusal.readings)
    for message, arrived_s, sent_s in zip(pile.messages, pile.arrived_s, checked.sent_s.tolist(), strict=True):
        lag_s = arrived_s - sent_s if math.isfinite(sent_s) else None
        if lag_s is not None:
            books.metrics.lag_s.observe(lag_s)
        if known.knows(message.gateway):
            books.gateways.heard(message.gateway, arrived_s, lag_s)


def _quarantine(pile: _Sorted, checked: Checked) -> pa.Table:
    rows = [
        (
            pile.arrived_s[refusal.message],
            pile.messages[refusal.message].gateway,
            str(pile.batches[refusal.message] or ""),
            refusal.reason,
            # a lone surrogate, which JSON can spell, is no text for a database
            refusal.record.encode("utf-8", "replace").decode("utf-8"),
        )
        for refusal in checked.refusals
    ]
    return _rows(rows, QUARANTINE)


def _receipts(pile: _Sorted, checked: Checked, arrived: Sequence[Arrived]) -> dict[str, Receipt]:
    refused: dict[str, dict[BatchId, dict[str, int]]] = {}
    for refusal in checked.refusals:
        batch, gateway = pile.batches[refusal.message], pile.messages[refusal.message].gateway
        if batch is not None:
            reasons = refused.setdefault(gateway, {}).setdefault(batch, {})
            reasons[refusal.reason] = reasons.get(refusal.reason, 0) + refusal.readings
    time_s = int(arrived[-1].arrived_s) if arrived else 0
    receipts = {}
    for gateway, batches in pile.done.items():
        why = refused.get(gateway, {})
        stored = to_ranges([batch for batch in batches if batch not in why])
        receipts[gateway] = Receipt(time_s, stored, {str(batch): reasons for batch, reasons in why.items()})
    return receipts


def without(prepared: Prepared, refused: Sequence[int]) -> Prepared:
    """The same once the store has refused these rows of its readings for ever: the receipts say so."""
    by_gateway: dict[str, Counter[str]] = {}
    for gateway, batch in zip(*(column.to_pylist() for column in origins_of(prepared.commit, refused)), strict=True):
        by_gateway.setdefault(gateway, Counter())[batch] += 1
    receipts = dict(prepared.receipts)
    for gateway, counts in by_gateway.items():
        if gateway in receipts:
            receipts[gateway] = _refusing(receipts[gateway], counts)
    kept = np.ones(prepared.commit.readings.num_rows, bool)
    kept[list(refused)] = False
    readings = prepared.commit.readings.filter(pa.array(kept)).combine_chunks()
    return Prepared(replace(prepared.commit, readings=readings), receipts, prepared.arrived)


def _refusing(receipt: Receipt, counts: Mapping[str, int]) -> Receipt:
    """The receipt with so many readings of these batches refused by the store."""
    stored = (BatchId(run, n) for run, spans in receipt.stored.items() for a, b in spans for n in range(a, b + 1))
    refused = dict(receipt.refused)
    for batch, count in counts.items():
        if parse_batch(batch):
            refused[batch] = refused.get(batch, {}) | {STORE_REFUSED: count}
    return Receipt(receipt.time_s, to_ranges([batch for batch in stored if str(batch) not in counts]), refused)


def _rows(rows: Iterable[Sequence[object]], schema: pa.Schema) -> pa.Table:
    """Tuples as a table."""
    columns = list(zip(*rows, strict=True))
    if not columns:
        return schema.empty_table()
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
