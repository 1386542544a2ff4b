# Reads and writes documents of the kind that services exchange.
import json
import sys

DOCUMENT = json.dumps(
    [
        {
            "id": number,
            "name": f"item number {number}",
            "tags": [f"tag {number % 7}", f"tag {number % 11} of some length"],
            "place": {"latitude": number / 7, "longitude": number / 11},
            "text": "some words that say what this is about, " * (number % 5 + 1),
        }
        for number in range(500)
    ]
)

print("ready now", flush=True)
sys.stdin.readline()
total = 0
for _ in range(int(sys.argv[1])):
    items = json.loads(DOCUMENT)
    total += len(json.dumps([item["text"].upper() for item in items]))
print("length", total)
print("done", flush=True)
# It is there until its input ends.
sys.stdin.readline()
