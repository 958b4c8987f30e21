//! The command line of the simulator. `cargo sim` is the plain build: the store on simulated disks
//! and paused time. `cargo net-sim` is the build with `--cfg madsim`, which simulates tasks and the
//! network as well; `cargo sim net ...` calls it.

#[cfg(madsim)]
mod net_command;

#[cfg(madsim)]
fn main() -> anyhow::Result<std::process::ExitCode> {
    net_command::run()
}

#[cfg(not(madsim))]
mod command;

#[cfg(not(madsim))]
fn main() -> anyhow::Result<std::process::ExitCode> {
    command::run()
}
