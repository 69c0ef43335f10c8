"""Why a reading or a whole message was refused: the code on the wire and in quarantine, and what it means."""

from contract.problems import Text

UNKNOWN_GATEWAY = "unknown-gateway"
UNKNOWN_METER = "unknown-meter"
METER_OF_ANOTHER_GATEWAY = "meter-of-another-gateway"
NOT_JSON = "not-json"
NOT_SENML = "not-senml"
NAN = "nan"
WRONG_TYPE = "wrong-type"
IMPLAUSIBLE_CLOCK = "implausible-clock"
TOO_LARGE = "too-large"
TOO_OLD = "too-old"
STORE_REFUSED = "store-refused"

REFUSALS: dict[str, Text] = {
    UNKNOWN_GATEWAY: Text("등록되지 않은 게이트웨이입니다", "the gateway is not registered"),
    UNKNOWN_METER: Text(
        "그 시각에 등록되지 않은 계량기 또는 측정 항목입니다",
        "the meter or quantity is not registered at that time",
    ),
    METER_OF_ANOTHER_GATEWAY: Text(
        "그 시각에 다른 게이트웨이에 속한 계량기입니다", "the meter belongs to another gateway at that time"
    ),
    NOT_JSON: Text("JSON이 아닙니다", "the payload is not JSON"),
    NOT_SENML: Text("SenML(RFC 8428) 형식이 아닙니다", "the record is not SenML (RFC 8428)"),
    NAN: Text("값이 유한한 수가 아닙니다", "the value is not a finite number"),
    WRONG_TYPE: Text("필드의 자료형이나 범위가 다릅니다", "a field has another type or range than the contract's"),
    IMPLAUSIBLE_CLOCK: Text(
        "시각이 미래이거나 게이트웨이 시계를 믿을 수 없습니다",
        "the time lies in the future, is relative, or comes from a clock that was never set",
    ),
    TOO_LARGE: Text(
        "메시지가 128 kB보다 크거나 레코드가 10,000개를 넘습니다",
        "the message is larger than 128 kB or has more than 10,000 records",
    ),
    TOO_OLD: Text("보관 기간보다 오래된 값입니다", "the reading is older than what is still kept open"),
    STORE_REFUSED: Text("저장소가 값을 받지 않습니다", "the database refuses the reading, as it is, for ever"),
}
