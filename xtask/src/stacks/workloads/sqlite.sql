create table part(id integer primary key, name text, weight real, kind text);
create index by_kind on part(kind, weight);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 4000)
insert into part select i, printf('part %06d', i * 7919 % 100003), i * 0.25, char(65 + i % 26) from n;
create virtual table words using fts5(body);
insert into words select name || ' of kind ' || kind from part where id % 4 = 0;
select count(*) from words where words match 'kind AND "A"';
create trigger changed after update on part begin update part set kind = lower(kind) where id = new.id; end;
update part set weight = weight + 1 where id % 10 = 0;
select kind, count(*), sum(weight), group_concat(name) from part group by kind having count(*) > 2;
select json_group_array(json_object('name', name, 'weight', weight)) from part where id < 500;
select a.id, row_number() over (partition by a.kind order by b.weight) from part a join part b using (kind) where a.id < 40;
select name from part where name like '%42%' order by substr(name, -2), id desc;
explain query plan select * from part where kind = 'B';
vacuum;
.print done
