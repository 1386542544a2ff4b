//! nginx under wrk.

use super::super::shop::Shop;
use super::super::watch::{Figures, Served};
use super::super::{Options, Peer, Workload};
use super::server::{Load, free_port, serve};
use crate::command::find;
use anyhow::{Result, bail};

pub(in super::super) const WORKLOAD: Workload = Workload {
    title: "nginx",
    about: "A page of 4 KiB, compressed anew for each request of wrk, from 8 connections, by one process.",
    unit: "request",
    time: ("µs", 1e3),
    run,
};

fn run(shop: &Shop, peer: &Peer, options: &Options) -> Result<Figures> {
    if find("wrk").is_none() {
        bail!("wrk is not installed: apt-get install wrk");
    }
    let port = free_port()?;
    shop.file("page.html", &"<p>Some words that say what this is about.</p>\n".repeat(86))?;
    let folder = shop.path("")?;
    let configuration = shop.file("nginx.conf", &configuration(&folder, port))?;
    let log = shop.path("nginx.log")?;
    let words = ["/usr/sbin/nginx", "-p", &folder, "-e", &log, "-c", &configuration];
    let address = format!("http://127.0.0.1:{port}/page.html");
    let (duration, header) = (format!("-d{}s", options.seconds), "Accept-Encoding: gzip");
    let client = ["wrk", "-t1", "-c8", &duration, "--latency", "-H", header, &address];
    serve(shop, peer, shop.program(&words)?, port, &client, understand)
}

/// One process, which writes nowhere but into this folder.
fn configuration(folder: &str, port: u16) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\nevents {{}}\n\
         http {{\n{temporary}    access_log off;\n    types {{ text/html html; }}\n    gzip on;\n\
         \x20   keepalive_requests 1000000;\n\
         \x20   server {{\n        listen 127.0.0.1:{port};\n        root {folder};\n    }}\n}}\n"
    )
}

/// Reads `99%  1.20ms`, `5000 requests in …`, `Requests/sec: 2500.1`.
fn understand(said: &str) -> Option<Load> {
    let lines = || said.lines().map(str::trim);
    let p99 = milliseconds(lines().find_map(|line| line.strip_prefix("99%"))?.trim())?;
    let per_second =
        lines().find_map(|line| line.strip_prefix("Requests/sec:"))?.trim().parse().ok()?;
    let requests = lines().find_map(|line| line.split_once(" requests in "))?.0.parse().ok()?;
    Some(Load { served: Served { per_second, p99 }, requests })
}

/// A duration as wrk writes it.
fn milliseconds(text: &str) -> Option<f64> {
    let units = [("us", 1e-3), ("ms", 1.0), ("s", 1e3)];
    units.iter().find_map(|(unit, factor)| {
        text.strip_suffix(unit)?.parse::<f64>().ok().map(|figure| figure * factor)
    })
}

#[cfg(test)]
mod tests {
    use super::{milliseconds, understand};

    #[test]
    fn figures_are_found_in_what_wrk_says() {
        let said = "Running 1s test\n  Latency Distribution\n     50%  336.00us\n     99%    1.20ms\n  \
                    25345 requests in 1.10s, 20.00MB read\nRequests/sec:  23041.98\n";
        let load = understand(said).unwrap();
        assert_eq!((load.served.per_second, load.served.p99), (23041.98, 1.2));
        assert!((load.requests - 25345.0).abs() < 0.5);
        assert!(understand("unable to connect").is_none());
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(milliseconds("2.00s"), Some(2000.0));
        assert_eq!(milliseconds("500.00us"), Some(0.5));
        assert_eq!(milliseconds("soon"), None);
    }
}
