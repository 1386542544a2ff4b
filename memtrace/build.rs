//! Temporary.
fn main() {
    let out = std::env::var("OUT_DIR").unwrap();
    std::fs::copy("/tmp/w/obj", format!("{out}/memtrace-ebpf")).unwrap();
    println!("cargo:rerun-if-changed=/tmp/w/obj");
}
