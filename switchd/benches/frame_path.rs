//! What a frame costs the core, in nanoseconds and allocations: `cargo bench -p switchd --bench frame_path`.

mod scene;

use divan::{AllocProfiler, Bencher};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench(args = scene::operations().iter().map(|operation| operation.name).collect::<Vec<_>>())]
fn frame(bencher: Bencher<'_, '_>, name: &str) {
    let mut operation = scene::operations()
        .into_iter()
        .find(|operation| operation.name == name)
        .expect("a name from this very list");
    bencher.bench_local(|| (operation.run)());
}
