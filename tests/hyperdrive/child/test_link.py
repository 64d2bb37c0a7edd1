"""The way between a run and the driver, over real sockets: what arrives, what is refused, what survives."""

from __future__ import annotations

import http.client
import json
import logging
import math
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future

import pytest

from sparksweep.errors import SetupError
from sparksweep.hyperdrive.child.link import REPORTS_PATH, Address, Link
from sparksweep.hyperdrive.driver.report_server import ReportServer
from sparksweep.hyperdrive.metrics import Metric
from tests.hyperdrive.processes import within
from tests.storage.proxy import Proxy


class Driver:
    """Hears as a sweep does: what of an attempt it knows already it drops."""

    def __init__(self, word=False):
        self.word = word
        self.messages = []
        self.known = {}
        self.repeated = 0
        self.unanswered: list[Future[bool]] = []

    def hear(self, heard):
        self.messages.append(heard)
        known = self.known.setdefault((heard.run, heard.attempt), [])
        assert heard.first <= len(known), "something is missing"
        fresh = heard.metrics[len(known) - heard.first :]
        self.repeated += len(heard.metrics) - len(fresh)
        known += fresh
        if self.word is None:
            self.unanswered.append(heard.answer)
        else:
            heard.answer.set_result(self.word)

    def values(self, run="sweep_0", attempt=1000):
        return [metric.value for metric in self.known.get((run, attempt), ())]


@pytest.fixture(name="driver")
def hearing_driver():
    return Driver()


@pytest.fixture(name="server")
def running_server(driver):
    with ReportServer(driver.hear) as server:
        yield server


def metrics(values, name="Accuracy"):
    return [Metric(name, float(value), step, 1000.0 + step) for step, value in enumerate(values)]


def through(address, proxy):
    return Address("127.0.0.1", proxy.port, address.token)


def test_what_is_logged_arrives_as_it_is(server, driver):
    sent = [
        Metric("Accuracy", 0.1, 0, 1.25),
        Metric("précision ≥ ½ \U0001f600 \ud800", 1e-300, 1 - 2**63, 0.0),
        Metric("odd", math.inf, 2**63 - 1, 1795302831.055),
        Metric("odd", -math.inf, 0, 2.0),
    ]
    with Link(server.address, "sweep_0", 1000) as link:
        link.log(sent[:2])
        link.log(sent[2:])
        within(20, lambda: len(driver.values()) == 4)
    assert driver.known["sweep_0", 1000] == sent
    assert link.metrics == tuple(sent)
    assert {(heard.run, heard.attempt, heard.host) for heard in driver.messages} == {
        ("sweep_0", 1000, socket.gethostname())
    }


def test_nan_arrives(server, driver):
    with Link(server.address, "sweep_0", 1000) as link:
        link.log(metrics(["nan"]))
        within(20, driver.values)
    assert math.isnan(driver.values()[0])


def test_many_arrive_once_and_in_order(server, driver):
    """More than a message holds, with the longest names that there are."""
    with Link(server.address, "sweep_0", 1000) as link:
        for start in range(0, 2000, 100):
            link.log(metrics(range(start, start + 100), name="\U0001f600" * 250))
        within(30, lambda: len(driver.values()) == 2000)
    assert driver.values() == list(range(2000))


def test_a_run_that_logs_nothing_is_heard(server, driver):
    with Link(server.address, "sweep_0", 1000):
        within(20, lambda: len(driver.messages) >= 3)
    assert driver.values() == []


def test_a_stop_is_heard_without_a_word_of_the_run(server, driver):
    with Link(server.address, "sweep_0", 1000) as link:
        within(20, lambda: driver.messages)
        assert not link.stopped.is_set()
        driver.word = True
        assert link.stopped.wait(20)


def test_is_to_stop_waits_for_the_answer_to_what_was_logged(server, driver):
    driver.word = None
    with Link(server.address, "sweep_0", 1000) as link:
        assert link.is_to_stop() is False  # nothing was logged
        within(20, lambda: driver.unanswered)
        link.log(metrics([1]))
        asked = threading.Thread(target=lambda: said.append(link.is_to_stop()))
        said: list[bool] = []
        asked.start()
        driver.unanswered[0].set_result(False)  # to the message before
        within(20, driver.values)
        assert asked.is_alive()
        driver.unanswered[1].set_result(True)
        asked.join(20)
        assert said == [True]
        driver.word = True


def test_without_a_way_is_to_stop_waits_for_nothing():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    with Link(Address("127.0.0.1", closed, "t"), "sweep_0", 1000) as link:
        for number in range(200):
            link.log(metrics([number]))
            assert link.is_to_stop() is False
    assert len(link.metrics) == 200


def test_a_way_that_is_lost_and_comes_back(server, driver):
    with Proxy(server.address.port) as proxy, Link(through(server.address, proxy), "sweep_0", 1000) as link:
        link.log(metrics(range(10)))
        within(20, lambda: len(driver.values()) == 10)
        driver.word = None
        link.log(metrics(range(10, 20)))
        within(20, lambda: len(driver.values()) == 20)
        proxy.cut_after(0)
        for answer in driver.unanswered:
            answer.set_result(False)  # which does not arrive
        within(20, lambda: proxy.cuts)
        driver.word = False
        link.log(metrics(range(20, 30)))
        assert link.is_to_stop() is False
        proxy.mend()
        within(40, lambda: len(driver.values()) == 30)
        driver.word = True
        assert link.stopped.wait(20)
    assert driver.values() == list(range(30))
    assert driver.repeated >= 10


def test_a_driver_that_does_not_answer_in_time_is_heard_later(server, driver, monkeypatch):
    monkeypatch.setattr("sparksweep.hyperdrive.driver.report_server._WORD_WITHIN", 0.2)
    driver.word = None
    assert post(server.address, {**MESSAGE, "run": "sweep_1"}) == (200, '{"stop":false}')
    with Link(server.address, "sweep_0", 1000) as link:
        link.log(metrics([1]))
        assert link.is_to_stop() is False
        driver.word = True
        assert link.stopped.wait(20)
    assert driver.values() == [1]


def test_the_end_of_a_run_without_a_way(driver):
    """What was logged is there for the result of the task."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()[1]
    with Link(Address("127.0.0.1", closed, "t"), "sweep_0", 1000) as link:
        link.log(metrics([1]))
    assert [metric.value for metric in link.metrics] == [1.0]


def test_attempts_are_told_apart(server, driver):
    for attempt in (1000, 1001):
        with Link(server.address, "sweep_0", attempt) as link:
            link.log(metrics([attempt]))
            within(20, lambda a=attempt: driver.values(attempt=a))
    assert driver.values(attempt=1000) == [1000]
    assert driver.values(attempt=1001) == [1001]


def test_200_runs_at_once(server, driver):
    links = [Link(server.address, f"sweep_{number}", 1000) for number in range(200)]
    for link in links:
        link.__enter__()
    for number, link in enumerate(links):
        link.log(metrics([number]))
    within(30, lambda: all(driver.values(f"sweep_{number}") == [number] for number in range(200)))
    closing = [threading.Thread(target=link.__exit__, args=(None, None, None)) for link in links]
    for thread in closing:
        thread.start()
    for thread in closing:
        thread.join()


# What the server refuses.


def post(address, content, *, token=None, path=REPORTS_PATH, method="POST", **headers):
    connection = http.client.HTTPConnection(address.host, address.port, timeout=20)
    body = json.dumps(content) if isinstance(content, dict | list) else content
    token = address.token if token is None else token
    headers = {"Authorization": f"Bearer {token}", **headers}
    connection.request(method, path, body, headers, encode_chunked="Transfer-Encoding" in headers)
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response.status, answer.decode()


MESSAGE = {
    "run": "sweep_0",
    "attempt": 1000,
    "host": "here",
    "first": 0,
    "metrics": [{"name": "a", "value": "0.5", "step": 0, "time": 1.0}],
}
METRIC = MESSAGE["metrics"][0]


def test_a_message_by_hand(server, driver):
    assert post(server.address, MESSAGE) == (200, '{"stop":false}')
    assert driver.known == {("sweep_0", 1000): [Metric("a", 0.5, 0, 1.0)]}
    driver.word = True
    assert post(server.address, {**MESSAGE, "first": 1, "metrics": []}) == (200, '{"stop":true}')


def test_a_wrong_token(server, driver, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    for token in ("", "wrong", server.address.token + "x", server.address.token[:-1], "\xe4"):
        status, answer = post(server.address, MESSAGE, token=token)
        assert (status, answer) == (401, '{"error":"the token is wrong"}')
    assert driver.messages == []
    with Link(Address("127.0.0.1", server.address.port, "wrong"), "sweep_0", 1000) as link:
        link.log(metrics([1]))
        assert link.is_to_stop() is False
    assert driver.messages == []
    said = "".join([*capfd.readouterr(), caplog.text])
    assert server.address.token not in said
    assert "Traceback" not in said


def test_the_address_keeps_its_secret(server):
    assert server.address.token not in repr(server.address)
    assert server.address.token not in f"{server.address} {vars(server).keys()}"
    assert len(server.address.token) >= 32


def test_no_two_servers_have_one_token(server, driver):
    assert ReportServer(driver.hear).address.token != server.address.token


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{torn",
        b"\xff\xfe",
        "[" * 100_000,
        [],
        [MESSAGE],
        {},
        {**MESSAGE, "run": 5},
        {**MESSAGE, "host": None},
        {**MESSAGE, "attempt": True},
        {**MESSAGE, "attempt": "1000"},
        {**MESSAGE, "attempt": 1.5},
        {**MESSAGE, "first": -1},
        {**MESSAGE, "first": False},
        {**MESSAGE, "metrics": "many"},
        {**MESSAGE, "metrics": ""},
        {**MESSAGE, "metrics": {}},
        {**MESSAGE, "metrics": None},
        {**MESSAGE, "metrics": ["a"]},
        {**MESSAGE, "metrics": [{"name": "a"}]},
        *(
            {**MESSAGE, "metrics": [{**METRIC, **wrong}]}
            for wrong in (
                {"name": 5},
                {"name": None},
                {"value": "much"},
                {"value": [1]},
                {"value": 10**400},
                {"step": math.nan},
                {"step": True},
                {"step": "1"},
                {"step": 2**63},
                {"time": math.nan},
                {"time": math.inf},
                {"time": -1},
                {"time": 1e300},
            )
        ),
    ],
)
def test_what_is_no_report_is_refused(server, driver, message, caplog):
    status, answer = post(server.address, message)
    assert status == 400
    assert json.loads(answer)["error"].startswith("this is no report: ")
    assert driver.messages == []
    assert post(server.address, MESSAGE)[0] == 200
    assert "Traceback" not in caplog.text


def test_a_message_that_is_too_long(server, driver):
    assert post(server.address, b" " * ((1 << 20) + 1))[0] == 413
    pieces = (b" " * 10_000 for _ in range(110))
    assert post(server.address, pieces, **{"Transfer-Encoding": "chunked"})[0] == 413
    assert driver.messages == []
    short = iter([json.dumps(MESSAGE).encode()])
    assert post(server.address, short, **{"Transfer-Encoding": "chunked"})[0] == 200


def test_other_paths_and_methods(server):
    assert post(server.address, MESSAGE, path="/")[0] == 404
    assert post(server.address, MESSAGE, path="/docs")[0] == 404
    assert post(server.address, None, method="GET")[0] == 405


def test_a_stranger_that_breaks_off(driver, caplog):
    with ReportServer(driver.hear) as server:
        token = server.address.token
        for text in (b"POST /reports HTTP/1.1\r\nContent-Length: 100\r\n\r\n{", b"\x16\x03\x01\x02\x00", b""):
            with socket.create_connection(("127.0.0.1", server.address.port)) as stranger:
                stranger.sendall(text)
        head = f"POST /reports HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\nContent-Length: 100\r\n\r\n{{"
        with socket.create_connection(("127.0.0.1", server.address.port)) as torn:
            torn.sendall(head.encode())
            time.sleep(0.2)  # so that the server waits for the rest
        assert post(server.address, MESSAGE)[0] == 200
    assert [heard.run for heard in driver.messages] == ["sweep_0"]
    assert "Traceback" not in caplog.text
    assert token not in caplog.text


def test_a_port_that_is_taken(server, driver):
    with pytest.raises(
        SetupError, match=rf"cannot listen at 127\.0\.0\.1:{server.address.port} .*another port"
    ):
        ReportServer(driver.hear, port=server.address.port)


def test_the_name_by_which_executors_know_it(driver):
    assert ReportServer(driver.hear, known_as="driver.example").address.host == "driver.example"


def test_more_connections_than_runs_are_refused(driver):
    with ReportServer(driver.hear, most_runs=1) as server:
        there = server.address.host, server.address.port
        idle = [socket.create_connection(there) for _ in range(65)]
        within(20, lambda: post(server.address, MESSAGE)[0] == 503)
        for one in idle:
            one.close()
        within(20, lambda: post(server.address, MESSAGE)[0] == 200)


ENDING = """
import http.client, json, socket, sys, threading, time
from sparksweep.hyperdrive.driver.report_server import ReportServer

messages = []
with ReportServer(messages.append) as server:
    there = server.address.host, server.address.port
    idle = [socket.create_connection(there) for _ in range(3)]
    torn = socket.create_connection(there)
    torn.sendall(b"POST /reports HTTP/1.1\\r\\nContent-Length: 10\\r\\n\\r\\n{")
    waiting = http.client.HTTPConnection(*there)
    message = dict(run="a", attempt=1, host="h", first=0, metrics=[])
    waiting.request("POST", "/reports", json.dumps(message), {"Authorization": "Bearer " + server.address.token})
    while not messages:
        time.sleep(0.01)
print(json.dumps([server.address.token, len(messages)]))
"""


def test_the_end_waits_for_nobody_and_says_nothing():
    done = subprocess.run(
        [sys.executable, "-c", ENDING], env=os.environ, capture_output=True, text=True, timeout=60, check=True
    )
    token, heard = json.loads(done.stdout)
    assert heard == 1
    assert token not in done.stderr
    assert "Traceback" not in done.stderr
