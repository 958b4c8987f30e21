//! One process per seed: libraries keep state of their own, and addresses must not differ between
//! runs.

use super::report::{Counts, parse_result};
use nix::sys::personality::{self, Persona};
use std::process::{Command, Stdio};

/// Which run a process does.
#[derive(Clone, Debug)]
pub struct Task {
    /// Scenario by its name on the command line.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Deliberate bug by its name on the command line.
    pub mutant: Option<String>,
}

/// How a run's process ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Hash and counts; `None` after a panic.
    pub result: Option<(u64, Counts)>,
    /// Whether all promises were kept.
    pub is_passed: bool,
    /// All that it printed.
    pub output: String,
}

impl Task {
    /// The command that repeats this run.
    pub fn replay_line(&self) -> String {
        let mutant = self.mutant.as_ref().map(|name| format!(" --mutant {name}"));
        format!(
            "cargo net-sim replay --scenario {} --seed {}{} --log",
            self.scenario,
            self.seed,
            mutant.unwrap_or_default()
        )
    }

    /// Runs it in a process of its own and waits.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn run(&self) -> anyhow::Result<Ended> {
        let output = self.command()?.output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let result = parse_result(&text);
        let is_passed = output.status.success() && result.is_some();
        Ok(Ended { result, is_passed, output: text })
    }

    /// Runs it with every event printed. Returns whether all promises were kept.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn show(&self, is_logged: bool) -> anyhow::Result<bool> {
        let mut command = self.command()?;
        if is_logged {
            command.arg("--log");
        }
        let status = command.stdout(Stdio::inherit()).stderr(Stdio::inherit()).status()?;
        Ok(status.success())
    }

    fn command(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        let seed = self.seed.to_string();
        command.args(["one", "--scenario", self.scenario.as_str(), "--seed", seed.as_str()]);
        if let Some(mutant) = &self.mutant {
            command.args(["--mutant", mutant]);
        }
        Ok(command)
    }
}

/// Lets the processes that this one starts have the same addresses every time. Where that is
/// forbidden the runs are still right, only perhaps not repeatable.
pub fn fix_addresses() {
    let fixed = personality::get()
        .and_then(|persona| personality::set(persona | Persona::ADDR_NO_RANDOMIZE));
    if let Err(error) = fixed {
        eprintln!("addresses stay random ({error}); a replay may differ");
    }
}
