//! How many hits of probes this machine gets through, on one CPU and on all.

use super::super::model::{Cell, Column, Line, Section, State, Table, Topic};
use super::failure;
use super::prices::how;
use crate::probe::live::LiveError;
use crate::probe::live::calibrate::Kind;
use crate::probe::live::ceiling::{Ceiling, HitPath, Rates};

/// The section.
pub(super) fn section(
    path: Result<HitPath, LiveError>,
    measured: Result<Ceiling, LiveError>,
) -> Section {
    let title = "What all CPUs together get through, in hits per second";
    let mut lines = vec![path.map_or_else(|error| failure(NAME, &error), line)];
    match measured {
        Err(error) => {
            lines.push(failure("rates", &error));
            Section::new(Topic::Ceiling, title, lines)
        }
        Ok(ceiling) => Section::new(Topic::Ceiling, title, lines)
            .table(table(&ceiling))
            .note(note(ceiling.cpus)),
    }
}

const NAME: &str = "shared by hits";

/// What CPUs wait for each other for.
fn line(path: HitPath) -> Line {
    let detail = match path {
        HitPath::MachineLock => {
            "a lock of the whole machine (kernels before 6.12, by this one's types). Where that was measured, \
             all of 80 CPUs together got through 1.2 times the hits of one (3.7 million/s; Linux commit \
             cd7bdd9d46a9)"
        }
        HitPath::ProcessLock => {
            "a lock and a count of users per process and probe (as in Linux 6.12, by this kernel's types): \
             processes do not wait for each other, threads of one do"
        }
        HitPath::ProcessLockOnly => {
            "a lock per process (as in Linux 6.13, by this kernel's types): processes do not wait for each \
             other, threads of one do"
        }
        HitPath::Nothing => {
            "nothing as a rule (as in Linux 6.14, by this kernel's types): hits scale with CPUs"
        }
    };
    let state = if path == HitPath::MachineLock { State::Hazard } else { State::Ok };
    let line = Line::new(NAME, state, detail);
    if state == State::Ok {
        return line;
    }
    line.remedy(
        "nothing is wrong with few CPUs or calls; on a large and busy machine trace fewer processes at a \
         time, or run Linux 6.14 or newer",
    )
}

fn note(cpus: usize) -> String {
    let many = match cpus {
        1 => "there is one CPU".to_owned(),
        cpus => format!("{cpus} threads on {cpus} CPUs"),
    };
    format!(
        "Of probes whose program does nothing, on functions of memtrace's own, by CPU time: one thread, and \
         {many}, all of one process. That is the most which the kernel gets through; stacks and records come \
         on top of it (see traced above). What memtrace itself takes in is less: one task applies all \
         events, and beyond what it can --sample-interval auto draws samples."
    )
}

fn table(ceiling: &Ceiling) -> Table {
    let columns = vec![
        Column { key: "probe", title: "probe" },
        Column { key: "trap", title: "trap" },
        Column { key: "one_cpu_hits_per_s", title: "one CPU" },
        Column { key: "all_cpus_hits_per_s", title: "all CPUs" },
        Column { key: "scaling", title: "all/one" },
    ];
    let rows = Kind::ALL.into_iter().zip(ceiling.rates).map(|(kind, rates)| row(kind, rates));
    Table { columns, rows: rows.collect() }
}

fn row(kind: Kind, Rates { one, all }: Rates) -> Vec<Cell> {
    let scaling = if one > 0.0 { Cell::Decimal(all / one) } else { Cell::Unknown };
    vec![
        if kind.returns { "call and return" } else { "entry only" }.into(),
        how(kind.emulated).into(),
        Cell::Number(one.round() as u64),
        Cell::Number(all.round() as u64),
        scaling,
    ]
}

#[cfg(test)]
mod tests {
    use super::{Ceiling, HitPath, Rates, State, line, section};

    #[test]
    fn a_lock_of_the_whole_machine_is_a_hazard() {
        let hazards = [
            HitPath::MachineLock,
            HitPath::ProcessLock,
            HitPath::ProcessLockOnly,
            HitPath::Nothing,
        ]
        .map(|path| line(path).state == State::Hazard);
        assert_eq!(hazards, [true, false, false, false]);
        assert!(line(HitPath::MachineLock).remedy.is_some());
    }

    #[test]
    fn rates_stand_side_by_side() {
        let rates =
            [Rates { one: 2e6, all: 3e6 }, Rates::default(), Rates::default(), Rates::default()];
        let section = section(Ok(HitPath::Nothing), Ok(Ceiling { cpus: 2, rates }));
        let rows = serde_json::to_value(section.table).unwrap();
        assert_eq!(rows.as_array().unwrap().len(), 4);
        assert_eq!(
            (&rows[0]["one_cpu_hits_per_s"], &rows[0]["all_cpus_hits_per_s"], &rows[0]["scaling"]),
            (&2_000_000.into(), &3_000_000.into(), &1.5.into())
        );
        assert!(rows[1]["scaling"].is_null(), "nothing was measured");
        assert!(section.note.unwrap().contains("2 threads on 2 CPUs"));
    }
}
