//! redis with as many requests per second as it is sent, which is what most servers live with: under redis-benchmark a
//! request waits for those of 20 connections before it, and the slowest tell of the longest queue.

use super::super::shop::Shop;
use super::super::watch::{Figures, Served};
use super::super::{Options, Peer, Workload};
use super::redis::server;
use super::server::{Load, free_port, serve_with};
use anyhow::{Context as _, Result, ensure};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Requests per second: a tenth of what it manages untraced, and a quarter of what it manages traced.
const RATE: u32 = 5_000;
/// For so long, s.
const SECONDS: u32 = 4;
/// The first requests, which find cold caches and stacks that are new to a tracer, are not counted.
const WARM_UP: usize = 2_000;
/// A server that does not answer is given up after that.
const PATIENCE: Duration = Duration::from_secs(10);
/// What it says to each of them.
const ANSWER: &[u8] = b"+OK\r\n";

pub(in super::super) const WORKLOAD: Workload = Workload {
    title: "redis at a steady rate",
    about: "5,000 SET requests per second for 4 s on one connection, 10,000 keys, 100 bytes each. A request's time begins \
            when it is due, so that it has in it what it waits for the one before. The server is linked with jemalloc, \
            which allocators' own profilers replace.",
    unit: "request",
    time: ("µs", 1e3),
    run,
};

fn run(shop: &Shop, peer: &Peer, _: &Options) -> Result<Figures> {
    let port = free_port()?;
    let server = server(shop, &port.to_string())?;
    serve_with(shop, peer, server, port, || load(port))
}

/// Sends the requests.
fn load(port: u16) -> Result<Load> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("cannot connect")?;
    stream.set_nodelay(true).context("cannot send at once")?;
    stream.set_read_timeout(Some(PATIENCE)).context("cannot wait in bounds")?;
    let all = RATE * SECONDS;
    let mut took = Vec::with_capacity(all as usize);
    let began = Instant::now();
    for number in 0..all {
        let due = began + Duration::from_secs(1) * number / RATE;
        let is_late = Instant::now() >= due;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // That we are woken late is not the server's doing.
        let from = if is_late { due } else { Instant::now() };
        request(&mut stream, number)?;
        took.push(from.elapsed());
    }
    let per_second = f64::from(all) / began.elapsed().as_secs_f64();
    let p99 = percentile(took.get_mut(WARM_UP..).unwrap_or_default(), 99);
    let p99 = p99.context("there were no requests")?.as_secs_f64() * 1e3;
    Ok(Load { served: Served { per_second, p99 }, requests: f64::from(all) })
}

fn request(stream: &mut TcpStream, number: u32) -> Result<()> {
    // Scattered, and the same each time.
    let key = number.wrapping_mul(2_654_435_769) % 10_000;
    let words = format!("*3\r\n$3\r\nSET\r\n$8\r\nkey:{key:04}\r\n$100\r\n{number:0100}\r\n");
    stream.write_all(words.as_bytes()).context("redis takes no request")?;
    let mut answer = [0; ANSWER.len()];
    stream.read_exact(&mut answer).context("redis does not answer")?;
    ensure!(answer == *ANSWER, "redis says {:?}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// So many of 100 are no longer.
fn percentile(all: &mut [Duration], hundredths: usize) -> Option<Duration> {
    all.sort_unstable();
    let place = (all.len() * hundredths).div_ceil(100);
    all.get(place.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::percentile;
    use std::time::Duration;

    #[test]
    fn ninety_nine_of_a_hundred_are_no_longer() {
        let mut all: Vec<Duration> = (1..=200).rev().map(Duration::from_micros).collect();
        assert_eq!(percentile(&mut all, 99), Some(Duration::from_micros(198)));
        assert_eq!(percentile(&mut all[..1], 99), Some(Duration::from_micros(1)));
        assert_eq!(percentile(&mut [], 99), None);
    }
}
