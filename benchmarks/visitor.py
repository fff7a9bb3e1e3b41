"""A visitor without a browser: opens a page of the app as a browser does, asks again as often, and draws nothing.

    python benchmarks/visitor.py URL PAGE QUERY SECONDS

What a watched page costs the machine that serves it is so told apart from what drawing it costs the one that shows it.
It speaks Streamlit's own messages, and answers its requests to run a part of the page again every so often. The last
line is one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

TURN = 0.05  # seconds between two looks at the clock


def visit(url: str, page: str, query: str, seconds: float) -> tuple[Counter[str], int]:
    """Messages received, by kind, and how often parts of the page were asked for again."""
    until, asked, kinds = time.monotonic() + seconds, 0, Counter[str]()
    session, due = "", dict[str, tuple[float, float]]()  # by part: when it is to be asked for, and every how often
    address = url.replace("http", "ws", 1) + "/_stcore/stream"
    with connect(
        address, subprotocols=["streamlit"], max_size=None, proxy=None, additional_headers={"Origin": url}
    ) as socket:
        socket.send(_rerun(query, page_name=page))
        while time.monotonic() < until:
            try:
                told = ForwardMsg.FromString(socket.recv(timeout=TURN))
            except TimeoutError:
                told = ForwardMsg()
            kind = told.WhichOneof("type")
            kinds[kind or "nothing"] += 1
            if kind == "new_session":
                session = told.new_session.page_script_hash
            elif kind == "auto_rerun":
                due[told.auto_rerun.fragment_id] = (time.monotonic(), told.auto_rerun.interval)
            elif kind == "stop_auto_rerun":
                due.clear()
            for part, (at, every) in due.items():
                if time.monotonic() >= at + every:
                    due[part] = (time.monotonic(), every)
                    socket.send(_rerun(query, page_script_hash=session, fragment_id=part, is_auto_rerun=True))
                    asked += 1
    return kinds, asked


def _rerun(query: str, **fields: object) -> bytes:
    message = BackMsg()
    message.rerun_script.query_string = query
    for name, value in fields.items():
        setattr(message.rerun_script, name, value)
    data: bytes = message.SerializeToString()
    return data


if __name__ == "__main__":
    received, again = visit(*sys.argv[1:4], float(sys.argv[4]))
    print(json.dumps({"asked": again, "deltas": received["delta"], "finished": received["script_finished"]}))
