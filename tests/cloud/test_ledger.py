"""The ledger: each identity once, whatever the order of arrival and however often it comes."""

from hypothesis import given
from hypothesis import strategies as st

from cloud.ingest.ledger import FOLD_AFTER, HASH_WINDOW, MAX_RUNS, MAX_SPANS, Ledger, Verdict, content_hash
from contract.topics import BatchId

NEW, DUPLICATE, CONFLICT = Verdict.NEW, Verdict.DUPLICATE, Verdict.CONFLICT


def judge(ledger: Ledger, n: int, hashed: int = 7, run: str = "r", *, empty: bool = False) -> Verdict:
    return ledger.judge("g1", BatchId(run, n), hashed, 0.0, empty=empty)


def test_the_same_content_again_is_a_duplicate_and_another_is_an_alarm() -> None:
    ledger = Ledger()
    assert [judge(ledger, 1), judge(ledger, 1), judge(ledger, 2)] == [NEW, DUPLICATE, NEW]
    assert judge(ledger, 1, hashed=8) is CONFLICT
    assert judge(ledger, 1, hashed=8) is DUPLICATE
    assert judge(ledger, 1, run="other") is NEW
    assert ledger.judge("g2", BatchId("r", 1), 7, 0.0) is NEW


def test_an_empty_batch_is_done_and_never_an_alarm() -> None:
    ledger = Ledger()
    assert judge(ledger, 1, content_hash(b"[]"), empty=True) is NEW
    assert judge(ledger, 2) is NEW
    assert judge(ledger, 2, content_hash(b"[]"), empty=True) is DUPLICATE
    # it was said to be gone, and came after all: it is stored
    assert judge(ledger, 1, hashed=9) is CONFLICT


def test_ever_new_contents_of_one_number_are_all_stored_and_cost_no_more_than_a_run() -> None:
    ledger, rows = Ledger(), 0
    for content in range(2000):
        assert judge(ledger, 1, hashed=content) is (CONFLICT if content else NEW)
        rows += 1
        if ledger.fold() == [("g1", "r", 1, 1)]:
            rows = 0
    assert rows <= FOLD_AFTER


def test_an_old_number_whose_hash_is_forgotten_is_a_duplicate() -> None:
    ledger = Ledger()
    for n in range(1, HASH_WINDOW + 2):
        assert judge(ledger, n) is NEW
    assert judge(ledger, 1, hashed=8) is DUPLICATE
    assert judge(ledger, 2, hashed=8) is CONFLICT


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 400)), max_size=600), st.integers(1, 50))
def test_folded_and_restored_it_judges_as_before(arrivals: list[tuple[str, int]], every: int) -> None:
    ledger, seen = Ledger(), set()
    # what the store keeps: rows by batch, spans by run
    rows: dict[tuple[str, int], int] = {}
    spans: dict[str, list[tuple[int, int]]] = {}
    for count, (run, n) in enumerate(arrivals):
        verdict = judge(ledger, n, hashed=n, run=run)
        assert verdict is (DUPLICATE if (run, n) in seen else NEW)
        seen.add((run, n))
        rows[run, n] = n
        if count % every == 0:
            folded = ledger.fold()
            for name in {row[1] for row in folded}:
                spans[name] = [(first, last) for _, other, first, last in folded if other == name]
                for key in [k for k in rows if k[0] == name and any(a <= k[1] <= b for a, b in spans[name])]:
                    del rows[key]
            ledger = Ledger()
            ledger.restore(
                [("g1", name, *span) for name in spans for span in spans[name]],
                [("g1", name, n, hashed) for (name, n), hashed in rows.items()],
            )


def test_what_is_on_disk_stays_short() -> None:
    ledger, rows = Ledger(), 0
    for n in range(1, 10 * FOLD_AFTER):
        judge(ledger, n)
        rows += 1
        for _, _, first, last in ledger.fold():
            assert first == 1
            rows = n - last
    assert rows <= FOLD_AFTER


def test_a_gateway_gone_wrong_costs_bounded_memory_and_loses_nothing() -> None:
    ledger = Ledger()
    for n in range(1, 2 * MAX_SPANS, 2):
        assert judge(ledger, n) is NEW
    assert judge(ledger, 10**14) is NEW
    assert len(ledger.runs("g1")["r"]) <= MAX_SPANS
    # a forgotten batch is stored again, never taken for a duplicate
    assert judge(ledger, 3) is NEW
    for k in range(2 * MAX_RUNS):
        ledger.judge("g1", BatchId(f"x{k}", 1), 7, float(k))
    assert len(ledger.runs("g1")) <= MAX_RUNS


def test_after_a_restart_the_run_that_is_alive_is_forgotten_last() -> None:
    alive = ("g1", "alive")
    # it began first, was folded, and wrote last
    spans = [(*alive, 1, 100), *(("g1", f"old{k}", 1, 4) for k in range(MAX_RUNS))]
    batches = [(*alive, 101, 7), *(("g1", f"old{k}", 5, 7) for k in range(MAX_RUNS)), (*alive, 102, 7)]
    ledger = Ledger()
    ledger.restore(spans, batches)
    assert ledger.forgotten() == [("g1", "old0")]
    for k in range(MAX_RUNS - 1):
        judge(ledger, 1, run=f"new{k}")
    assert [judge(ledger, n, run="alive") for n in (50, 101, 102, 103)] == [DUPLICATE, DUPLICATE, DUPLICATE, NEW]
    assert len(ledger.forgotten()) == MAX_RUNS - 1
    assert ledger.forgotten() == []
