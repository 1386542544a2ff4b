# Modules that are loaded on the way, extension modules among them; containers, numbers, text, errors.
import sys

print("ready", flush=True)
sys.stdin.readline()

import asyncio
import bz2
import collections
import ctypes
import decimal
import email.message
import hashlib
import json
import lzma
import re
import sqlite3
import threading
import xml.etree.ElementTree as trees
import zlib

records = [{"id": i, "name": f"record {i * 7919 % 100003}", "tags": list(range(i % 20))} for i in range(4000)]
text = json.dumps(records)
again = json.loads(text)
counts = collections.Counter(re.findall(r"record (\d)", text))
packed = [pack(text.encode() * 4) for pack in (zlib.compress, bz2.compress, lzma.compress)]
digest = hashlib.sha256(b"".join(packed)).hexdigest()
with decimal.localcontext() as context:
    context.prec = 400
    root = sum((decimal.Decimal(i).sqrt() for i in range(1, 200)), decimal.Decimal(0))
power = [pow(3, 2000 + i) for i in range(300)]
database = sqlite3.connect(":memory:")
database.execute("create table t(id integer, name text)")
database.executemany("insert into t values (?, ?)", ((r["id"], r["name"]) for r in records))
rows = database.execute("select name, count(*) from t group by substr(name, 1, 9) order by 1").fetchall()
tree = trees.Element("all")
for record in records[:500]:
    trees.SubElement(tree, "one", name=record["name"]).text = "x" * 700
parsed = trees.fromstring(trees.tostring(tree))
message = email.message.EmailMessage()
message.set_content(text[:4000])
sorter = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda a, b: len(bytes(2000)) and 0)
numbers = (ctypes.c_int * 64)()
ctypes.CDLL(None).qsort(numbers, 64, 4, sorter)


async def several():
    async def one(i):
        await asyncio.sleep(0)
        return bytes(1000 + i)

    return await asyncio.gather(*(one(i) for i in range(200)))


asyncio.run(several())


def fail(depth):
    buffer = bytearray(3000)
    if depth == 0:
        raise ValueError(len(buffer))
    return fail(depth - 1)


def in_thread():
    for _ in range(20):
        try:
            fail(30)
        except ValueError as error:
            str(error)


threads = [threading.Thread(target=in_thread) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("done", flush=True)
sys.stdin.readline()
