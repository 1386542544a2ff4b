# Prints what memray recorded, one event a line: "+ ADDRESS SIZE FUNCTION" and "- ADDRESS FUNCTION", numbers in
# hexadecimal; then on its standard error how many records and what peak, in bytes, memray itself says that there were.
import sys

from memray import AllocatorType, FileReader

ENDS = {AllocatorType.FREE, AllocatorType.MUNMAP, AllocatorType.PYMALLOC_FREE}

reader = FileReader(sys.argv[1])
for record in reader.get_allocation_records():
    function = AllocatorType(record.allocator)
    if function in ENDS:
        print(f"- {record.address:x} {function.name}")
    else:
        print(f"+ {record.address:x} {record.size:x} {function.name}")
print(reader.metadata.total_allocations, reader.metadata.peak_memory, file=sys.stderr)
