//! The `rosterd` binary.

fn main() {
    rosterd::cli::run()
}
