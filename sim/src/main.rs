//! The command line of the simulator: `cargo sim soak --seeds N`, `cargo sim replay --seed S`, ...

#[cfg(madsim)]
mod command;

#[cfg(madsim)]
fn main() -> anyhow::Result<std::process::ExitCode> {
    command::run()
}

#[cfg(not(madsim))]
fn main() {
    eprintln!("built without the simulator; run it as `cargo sim soak --seeds 100`");
    std::process::exit(2);
}
