//! The command line of the simulator: `cargo sim soak --seeds N`, `cargo sim replay --seed S`, ...
//! with the simulated network, `cargo engine-sim soak --seeds N`, ... for the engine alone.

#[cfg(madsim)]
mod command;

#[cfg(madsim)]
fn main() -> anyhow::Result<std::process::ExitCode> {
    command::run()
}

#[cfg(not(madsim))]
mod engine_command;

#[cfg(not(madsim))]
fn main() -> anyhow::Result<std::process::ExitCode> {
    engine_command::run()
}
