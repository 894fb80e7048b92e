//! The `listseal` command.

fn main() -> std::process::ExitCode {
    listseal::cli::main()
}
