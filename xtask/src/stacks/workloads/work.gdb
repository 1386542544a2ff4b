set pagination off
set confirm off
file /usr/bin/gdb
info functions ^gdb_
info types symbol
disassemble main
python import re; print(len([re.sub("a", "b" * 900, str(i) * 200) for i in range(500)]))
python print(len(gdb.execute("help all", to_string=True)))
maintenance info sections
print sizeof(long) * 7
info line main
complete info s
echo done\n
