//! The reference libraries in a process of their own, as the server starts them.

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let formats = thermocline::Registry::builtin().formats().to_vec();
    thermocline_core::reference::run_worker(
        &formats,
        runtime.handle(),
        std::io::stdin().lock(),
        std::io::stdout().lock(),
    )
}
