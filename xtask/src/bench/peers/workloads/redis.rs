//! redis under redis-benchmark.

use super::super::shop::{Program, Shop};
use super::super::watch::{Figures, Served};
use super::super::{Options, Peer, Workload};
use super::server::{Load, free_port, serve};
use anyhow::Result;

/// Requests.
const REQUESTS: &str = "30000";

pub(in super::super) const WORKLOAD: Workload = Workload {
    title: "redis",
    about: "30,000 SET requests of redis-benchmark from 20 connections, 10,000 keys, 100 bytes each. The \
            server is linked with jemalloc, which allocators' own profilers replace.",
    unit: "request",
    time: ("µs", 1e3),
    run,
};

fn run(shop: &Shop, peer: &Peer, _: &Options) -> Result<Figures> {
    let port = free_port()?;
    let number = port.to_string();
    let client = client(&number, REQUESTS);
    serve(shop, peer, server(shop, &number)?, port, &client, understand)
}

/// The server, which keeps nothing on disk.
pub(in crate::bench) fn server(shop: &Shop, port: &str) -> Result<Program> {
    let folder = shop.path("")?;
    let words = ["/usr/bin/redis-server", "--port", port, "--bind", "127.0.0.1", "--save", ""];
    let mut program = shop.program(&words)?;
    program.words.extend(["--daemonize", "no", "--dir", &folder].map(str::to_owned));
    Ok(program)
}

/// The words of the client that makes so many requests.
pub(in crate::bench) const fn client<'a>(port: &'a str, requests: &'a str) -> [&'a str; 14] {
    [
        "redis-benchmark",
        "-p",
        port,
        "-n",
        requests,
        "-c",
        "20",
        "-r",
        "10000",
        "-d",
        "100",
        "-t",
        "set",
        "--csv",
    ]
}

/// Reads the line of figures below a line of names.
fn understand(said: &str) -> Option<Load> {
    let unquoted = |line: &str| -> Vec<String> {
        line.split(',').map(|cell| cell.trim().trim_matches('"').to_owned()).collect()
    };
    let mut lines = said.lines().skip_while(|line| !line.starts_with("\"test\""));
    let (names, cells) = (unquoted(lines.next()?), unquoted(lines.next()?));
    let cell = |name: &str| -> Option<f64> {
        cells.get(names.iter().position(|it| it == name)?)?.parse().ok()
    };
    let served = Served { per_second: cell("rps")?, p99: cell("p99_latency_ms")? };
    Some(Load { served, requests: REQUESTS.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::understand;

    #[test]
    fn figures_are_found_by_name() {
        let said = "\"test\",\"rps\",\"avg_latency_ms\",\"p99_latency_ms\"\n\
                    \"SET\",\"51020.41\",\"0.302\",\"1.503\"\n";
        let load = understand(said).unwrap();
        assert_eq!((load.served.per_second, load.served.p99), (51020.41, 1.503));
        assert!(understand("Could not connect").is_none());
    }
}
