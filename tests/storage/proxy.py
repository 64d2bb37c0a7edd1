"""A stretch of network that can be cut: it stands between a client and the blob server."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Proxy:
    """Passes bytes on to a port of this machine, and counts those that come back, and its cuts."""

    def __init__(self, target: int) -> None:
        self.received = 0
        self.cuts = 0
        self._target = target
        self._limit: int | None = None
        self._mends_itself = False
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # wakes the thread that accepts
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._cut()

    def cut_after(self, count: int, *, mend: bool = False) -> None:
        """Cut all connections when so many bytes have come back, and new ones too, until :meth:`mend`."""
        self._limit = self.received + count
        self._mends_itself = mend

    def mend(self) -> None:
        self._limit = None

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._limit is not None and self.received > self._limit:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets |= {client, server}
            threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        with suppress(OSError):
            while content := source.recv(16_384):
                if back and self._came_back(len(content)):
                    self._cut()
                    break
                target.sendall(content)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _came_back(self, count: int) -> bool:
        """Count bytes, and return whether they are too many."""
        with self._lock:
            self.received += count
            too_many = self._limit is not None and self.received > self._limit
            if too_many:
                self.cuts += 1
            if too_many and self._mends_itself:
                self._limit = None
            return too_many

    def _cut(self) -> None:
        for end in list(self._sockets):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
