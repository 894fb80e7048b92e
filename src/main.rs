//! The `listseal` command.

fn main() {}
