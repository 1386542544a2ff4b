//! redis-server, which redis-benchmark keeps busy all the time.

use super::account::{Course, Work};
use super::{Plan, Tracing, Workload};
use crate::bench::peers::shop::Shop;
use crate::bench::peers::workloads::redis::{client, server};
use crate::bench::peers::workloads::server::{Server, dying_with_us, free_port};
use crate::processes;
use anyhow::{Context as _, Result, bail};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(super) const WORKLOAD: Workload = Workload {
    title: "redis-server under redis-benchmark",
    about: "SET requests from 20 connections, each of which waits for its answer, 10,000 keys, 100 bytes each. \
            A server that is slower meets more requests at once, which makes each a little cheaper.",
    unit: "request",
    time: ("µs", 1e6),
    // A request with probes takes three times as long.
    dear: 1.5,
    run,
};

/// More requests than the client can make while it is wanted.
const REQUESTS: &str = "2000000000";
/// The longest that the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest answer that is taken, bytes.
const LONGEST_ANSWER: usize = 1 << 16;
/// As long as a slice is: shorter than most windows.
const SLICE: Duration = Duration::from_millis(500);

fn run(shop: &Shop, plan: &Plan, tracing: &mut Tracing<'_>) -> Result<Course> {
    let port = free_port()?;
    let number = port.to_string();
    let server = Server::start(&server(shop, &number)?.command(shop)?, port, plan.patience())?;
    let client = Client::start(&client(&number, REQUESTS))?;
    let mut meter = Meter::connect(port, server.pid())?;
    sleep(Duration::from_secs_f64(plan.warm_up));
    let before = meter.slices(plan.beside)?;
    let begun = meter.read()?;
    tracing.begin(server.pid())?;
    let mut traced = vec![meter.read()?.since(begun)];
    traced.extend(meter.slices(plan.traced)?);
    let ending = meter.read()?;
    tracing.end()?;
    traced.push(meter.read()?.since(ending));
    let after = meter.slices(plan.beside)?;
    drop(client);
    let pid = server.pid();
    server.stop(pid)?;
    Ok(Course { before, traced, after })
}

/// The program that makes requests. Ended when it is dropped.
struct Client(Child);

impl Client {
    fn start(words: &[&str]) -> Result<Self> {
        let [program, arguments @ ..] = words else { bail!("a command without a program") };
        let mut command = Command::new(program);
        command.args(arguments);
        let mut command = dying_with_us(&command);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Self(command.spawn().with_context(|| format!("cannot start {program}"))?))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Already ended: both do nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks the server how many requests it has answered.
struct Meter {
    stream: BufReader<TcpStream>,
    pid: u32,
}

impl Meter {
    fn connect(port: u16, pid: u32) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .and_then(|stream| stream.set_read_timeout(Some(PATIENCE)).map(|()| stream))
            .context("cannot connect to the server")?;
        Ok(Self { stream: BufReader::new(stream), pid })
    }

    fn read(&mut self) -> Result<Work> {
        let said = self.ask().context("asking the server for its figures")?;
        let units = requests(&said).with_context(|| format!("the server said {said:?}"))?;
        let cpu = processes::cpu(self.pid).context("the server has ended early")?;
        Ok(Work { units, cpu })
    }

    /// The answer is a line with its length, and as many bytes.
    fn ask(&mut self) -> Result<String> {
        self.stream.get_mut().write_all(b"INFO stats\r\n")?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let length = length(&line).with_context(|| format!("it said {line:?}"))?;
        let mut answer = vec![0; length + 2];
        self.stream.read_exact(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Slice by slice.
    fn slices(&mut self, seconds: f64) -> Result<Vec<Work>> {
        let (mut last, mut slices) = (self.read()?, Vec::new());
        let clock = Instant::now();
        while clock.elapsed().as_secs_f64() < seconds {
            sleep(SLICE);
            let now = self.read()?;
            slices.push(now.since(last));
            last = now;
        }
        Ok(slices)
    }
}

/// Reads `$2048`.
fn length(line: &str) -> Option<usize> {
    let length = line.strip_prefix('$')?.trim_end().parse().ok()?;
    (length <= LONGEST_ANSWER).then_some(length)
}

/// Reads `total_commands_processed:N`.
fn requests(said: &str) -> Option<f64> {
    said.lines()
        .find_map(|line| line.strip_prefix("total_commands_processed:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{length, requests};

    #[test]
    fn answers_are_understood() {
        assert_eq!(length("$120\r\n"), Some(120));
        assert_eq!(length("$99999999\r\n"), None);
        assert_eq!(length("-ERR unknown command\r\n"), None);
        let said = "# Stats\r\ntotal_connections_received:21\r\ntotal_commands_processed:5000\r\n";
        assert_eq!(requests(said), Some(5000.0));
        assert_eq!(requests(""), None);
    }
}
