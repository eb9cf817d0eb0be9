"""SQLite made safe for many threads and two processes. Import before any OpenStack service.

oslo.db begins every transaction deferred; on SQLite two of them that read and then write fail at once with "database is
locked", whatever the busy timeout. Here: WAL, so that readers never wait or block; and a transaction begun inside an
enginefacade *writer* scope starts BEGIN IMMEDIATE, so that writers queue. Readers stay deferred on purpose: keystone
leaks read transactions (a query iterated after its session). A second transaction of a thread that already holds the
write lock of the same file stays deferred too. Octavia has no scopes, but ends each of its transactions: all that touch
its database start IMMEDIATE.
"""

import collections
import contextlib
import threading

from oslo_db.sqlalchemy import enginefacade
from sqlalchemy import event
from sqlalchemy.engine import Engine


class _Local(threading.local):
    def __init__(self):
        self.writers = 0
        self.held = collections.Counter()


_local = _Local()
always_immediate = set()  # files
_original_scope = enginefacade._TransactionContextManager._transaction_scope


@contextlib.contextmanager
def _transaction_scope(self, context):
    writer = int(self._mode is enginefacade._WRITER)
    _local.writers += writer
    try:
        with _original_scope(self, context) as resource:
            yield resource
    finally:
        _local.writers -= writer


enginefacade._TransactionContextManager._transaction_scope = _transaction_scope


@event.listens_for(Engine, "connect")
def _connected(dbapi, record):
    if type(dbapi).__module__ == "sqlite3":
        dbapi.execute("PRAGMA journal_mode=WAL")


@event.listens_for(Engine, "before_cursor_execute", retval=True)
def _begin(connection, cursor, statement, parameters, context, executemany):
    if statement == "BEGIN":
        database = connection.engine.url.database
        if (_local.writers or database in always_immediate) and not _local.held[database]:
            _local.held[database] += 1
            connection.info["chaosjc_immediate"] = (threading.get_ident(), database)
            statement = "BEGIN IMMEDIATE"
    return statement, parameters


def _ended(connection):
    holder = connection.info.pop("chaosjc_immediate", None)
    if holder and holder[0] == threading.get_ident():
        _local.held[holder[1]] = 0


event.listen(Engine, "commit", _ended)
event.listen(Engine, "rollback", _ended)
