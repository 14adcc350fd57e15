"""A finished run in the files of other tools, read back with what those tools read."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec

import pandas as pd
import pytest
from command_line import only_error
from pyarrow import parquet
from record_factory import write_run
from small_run import reader, recording, small

import simulator
from llm_strategy.errors import AnswerTimeout, BackendMissing, ConfigurationError, RunFolderError, ServerNotReached
from simulator.exports.returns import returns_table
from simulator.folder.integrity import changed_evidence
from simulator.folder.record import load_record

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A comparison whose model does not always answer in time."""
    calls = iter(range(10_000))

    def script(request):
        return AnswerTimeout("No answer in time.") if next(calls) % 20 == 7 else reader(request)

    experiment = small(
        tmp_path_factory.mktemp("run"), advisor={"max_failure_rate": 1.0}, arms=["llm", "buy_and_hold"],
        data={"source": "synthetic:cycles?bars=420&seed=11"}, evaluation={"bootstrap_samples": 100, "placebos": 19},
    )  # fmt: skip
    return simulator.compare(experiment, client=recording(script)[0])


def test_returns_are_a_column_an_arm_and_grow_to_the_return_of_the_report(result, tmp_path):
    done = simulator.export_run(result.folder, "returns", str(tmp_path / "r.csv"))
    table = pd.read_csv(done.place, index_col="date", parse_dates=True)  # as for quantstats
    assert list(table) == ["llm", "buy_and_hold", "market"]
    assert table.index.is_monotonic_increasing
    for arm in table:
        assert (1 + table[arm]).prod() - 1 == pytest.approx(result.table.loc[arm, "total_return"])
    one = simulator.export_run(result.folder, "returns", str(tmp_path / "llm.parquet"), arm="llm")
    pd.testing.assert_frame_equal(pd.read_parquet(one.place), table[["llm"]], check_index_type=False)
    with pytest.raises(ConfigurationError, match="no arm 'none'"):
        simulator.export_run(result.folder, "returns", arm="none")


def test_bars_within_a_day_are_compounded_to_days(tmp_path):
    record = load_record(write_run(tmp_path / "run", bars=110).folder)
    equity = record.arms[0].equity
    start, bars = pd.Timestamp("2024-01-02 10:00"), len(equity)
    hours = [start + pd.Timedelta(days=number // 3, hours=number % 3) for number in range(bars)]
    equity.index = pd.DatetimeIndex(hours, name="time")
    table = returns_table(record)
    assert len(table) == -(-bars // 3)
    assert (table.index == table.index.normalize()).all()
    value = equity["equity"]
    assert table["llm"].iloc[0] == pytest.approx(value.iloc[2] / value.iloc[0] - 1)
    assert (1 + table["llm"]).prod() == pytest.approx(value.iloc[-1] / value.iloc[0])


def test_parquet_holds_the_tables_of_the_result_with_types_and_units(result, tmp_path):
    done = simulator.export_run(result.folder, "parquet", str(tmp_path / "tables"))
    for name, keys in (("decisions", "time"), ("trades", "trade"), ("orders", "order")):
        read = pd.read_parquet(f"{done.place}/{name}.parquet").set_index(["arm", keys])
        pd.testing.assert_frame_equal(read, getattr(result, name))
    accounts = pd.read_parquet(f"{done.place}/equity.parquet").set_index(["arm", "time"])
    pd.testing.assert_frame_equal(accounts, result.accounts)
    assert accounts.loc["llm", "equity"].equals(result.equity["llm"].rename("equity"))
    schema = parquet.read_schema(f"{done.place}/trades.parquet")
    assert schema.field("size").metadata == {b"unit": b"shares"}
    assert str(schema.field("entered").type) == "timestamp[us]"
    assert schema.metadata[b"run"] == b"small"
    before = (tmp_path / "tables" / "decisions.parquet").read_bytes()
    simulator.export_run(result.folder, "parquet", str(tmp_path / "tables"))
    assert (tmp_path / "tables" / "decisions.parquet").read_bytes() == before


def spans_of(path):
    (resource,) = json.loads(path.read_text())["resourceSpans"]
    return resource["scopeSpans"][0]["spans"]


def attributes(span):
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def test_spans_follow_the_conventions_for_generative_ai(result, tmp_path):
    simulator.export_run(result.folder, "otel", str(tmp_path / "spans.json"))
    root, agent, *questions = spans_of(tmp_path / "spans.json")
    assert attributes(root)["gen_ai.operation.name"] == "invoke_workflow"
    assert attributes(agent)["gen_ai.agent.name"] == "llm"
    assert agent["parentSpanId"] == root["spanId"]
    assert {span["traceId"] for span in questions} == {root["traceId"]}
    assert {span["parentSpanId"] for span in questions} == {agent["spanId"]}
    assert len({span["spanId"] for span in questions}) == len(questions)
    begun, ended = int(root["startTimeUnixNano"]), int(root["endTimeUnixNano"])
    for span in questions:
        told = attributes(span)
        assert span["name"] == "chat scripted"
        assert (told["gen_ai.operation.name"], told["gen_ai.request.model"]) == ("chat", "scripted")
        assert begun <= int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]) <= ended
        assert "gen_ai.input.messages" not in told
    usage = result.record.manifest["usage"]
    of_decisions = [span for span in questions if attributes(span)["backtrader_llm.decisions"] != "0"]
    failed = [span for span in of_decisions if span["status"]]
    assert failed
    assert all(attributes(span)["error.type"] == "AnswerTimeout" for span in failed)
    # The explanation asks for slots that this script does not fill.
    of_explanation = [span for span in questions if span["status"] and span not in of_decisions]
    assert {attributes(span)["error.type"] for span in of_explanation} <= {"AnswerTimeout", "BackendFailure"}
    assert len(of_decisions) == usage["asked"]
    assert sum(int(attributes(span)["gen_ai.usage.input_tokens"]) for span in of_decisions) == usage["tokens_in"]


def test_what_was_asked_and_answered_is_in_a_span_where_one_asks_for_it(result, tmp_path):
    simulator.export_run(result.folder, "otel", str(tmp_path / "spans.json"), content=True)
    told = next(
        filter(lambda told: "gen_ai.output.messages" in told, map(attributes, spans_of(tmp_path / "spans.json")))
    )
    asked = json.loads(told["gen_ai.input.messages"])
    assert [message["role"] for message in asked] == ["system", "user"]
    assert asked[1]["parts"][0]["content"].startswith("Market: ")
    (answer,) = json.loads(told["gen_ai.output.messages"])
    assert "rationale" in json.loads(answer["parts"][0]["content"])


@pytest.fixture
def collector():
    """A collector on this machine: what it was sent, and what it answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.got.append((self.path, dict(self.headers), body))
            self.send_response(server.status)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.got, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_spans_are_sent_to_a_collector(result, collector, tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b")
    address = f"http://127.0.0.1:{collector.server_port}"
    done = simulator.export_run(result.folder, "otel", address)
    assert done.place == f"{address}/v1/traces"
    (path, headers, body), *_ = collector.got
    assert path == "/v1/traces"
    assert (headers["Content-Type"], headers["x-key"]) == ("application/json", "a b")
    simulator.export_run(result.folder, "otel", str(tmp_path / "spans.json"))
    assert json.loads(body) == json.loads((tmp_path / "spans.json").read_text())


def test_a_collector_that_refuses_or_is_not_there_is_told_in_a_sentence(result, collector):
    collector.status = 503
    address = f"http://127.0.0.1:{collector.server_port}"
    with pytest.raises(ServerNotReached, match="HTTP 503"):
        simulator.export_run(result.folder, "otel", f"{address}/own/path")
    assert collector.got[0][0] == "/own/path"
    with pytest.raises(ServerNotReached, match="does not answer"):
        simulator.export_run(result.folder, "otel", "http://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match="no address of a collector"):
        simulator.export_run(result.folder, "otel", "ftp://collector")


@pytest.mark.skipif(find_spec("mlflow") is None, reason="MLflow is not installed: pip install 'backtrader-llm[mlflow]'")
def test_mlflow_gets_settings_figures_and_pages_once(result, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    first, again = (simulator.export_run(result.folder, "mlflow", str(tmp_path / "mlruns")) for _ in range(2))
    client = MlflowClient((tmp_path / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("small").experiment_id
    (run,) = client.search_runs([experiment])
    assert run.info.run_id in first.note
    assert "which was there" in again.note
    assert run.data.params["risk.max_position_size"] == str(
        result.record.manifest["experiment"]["risk"]["max_position_size"]
    )
    assert run.data.metrics["llm.total_return"] == result.facts["llm.total_return"].value
    assert run.data.tags["verdict.llm"] == result.verdict
    assert "report.html" in {file.path for file in client.list_artifacts(run.info.run_id)}


@pytest.mark.skipif(find_spec("mlflow") is not None, reason="MLflow is installed")
def test_without_mlflow_one_sentence_names_the_extra(result, tmp_path):
    with pytest.raises(BackendMissing, match=r"pip install 'backtrader-llm\[mlflow\]'"):
        simulator.export_run(result.folder, "mlflow", str(tmp_path / "mlruns"))


def test_the_command_writes_beside_the_run_and_leaves_the_run_as_it_is(result, btllm):
    code, out, _ = btllm("export", result.folder, "--format", "returns")
    assert code == 0
    written = result.folder.with_name(f"{result.folder.name}.returns.csv")
    assert str(written) in out
    assert written.is_file()
    place = json.loads(btllm("export", result.folder, "--format", "parquet", "--json")[1])["place"]
    assert place == str(result.folder.with_name(f"{result.folder.name}.parquet"))
    of_arm = json.loads(btllm("export", result.folder / "llm", "--format", "returns", "--json")[1])["place"]
    assert of_arm == str(result.folder.with_name("llm.returns.csv"))  # not in the comparison either
    assert changed_evidence(result.folder) == ()
    assert [run.folder for run in simulator.find_runs(result.folder.parent).runs] == [result.folder]
    assert simulator.find_runs(result.folder.parent).others == []


def test_an_export_into_a_run_or_of_none_is_refused(result, btllm):
    inside = btllm("export", result.folder, "--format", "returns", "--to", result.folder / "llm" / "x.csv")
    assert "which would count as changed" in only_error(inside, 6)
    with pytest.raises(RunFolderError, match="which would count as changed"):
        simulator.export_run(result.folder, "parquet", str(result.folder))
    with pytest.raises(ConfigurationError, match="There is no export 'excel'"):
        simulator.export_run(result.folder, "excel")
    assert "no manifest.json" in only_error(btllm("export", "nothing", "--format", "otel"), 6)
