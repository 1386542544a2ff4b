// Code that is compiled while it runs, promises, timers, worker threads, streams, errors.
const input = require("fs");
process.stdout.write("ready\n");
input.readSync(0, Buffer.alloc(64));
const { Worker } = require("worker_threads");
const zlib = require("zlib");
const crypto = require("crypto");

const records = Array.from({ length: 5000 }, (_, i) => ({ id: i, name: `record ${(i * 7919) % 100003}` }));
function hot(depth) {
  if (depth === 0) return Buffer.alloc(9000).length;
  return hot(depth - 1) + 1;
}
let sum = 0;
for (let i = 0; i < 3000; i++) sum += hot(i % 25);
const text = JSON.stringify(records);
const again = JSON.parse(text);
again.sort((a, b) => a.name.localeCompare(b.name));
const words = text.replace(/record (\d+)/g, (_, digits) => `r${digits}`).split(",");
const packed = [zlib.gzipSync(text), zlib.brotliCompressSync(text.slice(0, 50000)), zlib.deflateSync(text)];
for (let i = 0; i < 500; i++) crypto.createHash("sha256").update(text.slice(i)).digest("hex");
for (let i = 0; i < 200; i++) {
  try {
    JSON.parse("{" + i);
  } catch (error) {
    sum += error.message.length;
  }
}
const inWorker = () =>
  new Promise((resolve) => {
    const worker = new Worker(
      "require('worker_threads').parentPort.postMessage(Array.from({length: 2000}, (_, i) => 'x' + i).join())",
      { eval: true },
    );
    worker.on("message", () => worker.on("exit", resolve));
  });
const unpacked = (data) => new Promise((resolve) => zlib.gunzip(data, (_, result) => resolve(result)));
Promise.all([inWorker(), inWorker(), ...Array.from({ length: 40 }, () => unpacked(packed[0]))]).then(() => {
  input.writeSync(1, "done\n");
  input.readSync(0, Buffer.alloc(64));
});
