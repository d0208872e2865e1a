//! How long a file takes from text to findings, beside what merely parsing it takes.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use saddler::document::Document;
use saddler::{rules, syntax};

/// A chain of steps like those people write: one in five is an agent.
fn workflow(n_steps: usize) -> String {
    let mut text = String::from("type: graph\nworking_dir: .\nharnesses:\n  bot:\n    binary: bot\nsteps:\n");
    for i in 0..n_steps {
        writeln!(text, "  - id: s{i}").expect("writing to a string");
        if i > 0 {
            writeln!(text, "    depends: [s{}]", i - 1).expect("writing to a string");
        }
        if i % 5 == 4 {
            let prompt = "          Review what the step before has done.\n          Be brief.";
            writeln!(text, "    action: harness.run\n    timeout_sec: 600\n    with:\n      provider: bot\n      prompt: |\n{prompt}")
                .expect("writing to a string");
        } else {
            writeln!(text, "    run: make target-{i} # comment\n    env:\n      - LEVEL=info\n    retry_policy: {{limit: 2, interval_sec: 5}}")
                .expect("writing to a string");
        }
    }
    text
}

fn check(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("steps");
    group.sample_size(20);
    for n_steps in [10, 100, 1_000, 10_000] {
        let text = workflow(n_steps);
        group.bench_with_input(BenchmarkId::new("parse", n_steps), &text, |bencher, text| {
            bencher.iter(|| black_box(syntax::parse(text)));
        });
        group.bench_with_input(BenchmarkId::new("strict-parse", n_steps), &text, |bencher, text| {
            bencher.iter(|| black_box(serde_yaml::from_str::<serde_json::Value>(text)));
        });
        group.bench_with_input(BenchmarkId::new("check", n_steps), &text, |bencher, text| {
            bencher.iter(|| black_box(rules::check(&Document::parse(text, None, 0))));
        });
    }
    group.finish();
}

criterion_group!(benches, check);
criterion_main!(benches);
