//! libFuzzer for the target that `BELLWIRE_FUZZ_TARGET` names; `fuzz/run.sh` calls it.
#![no_main]

use std::sync::LazyLock;

use fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("BELLWIRE_FUZZ_TARGET").expect("BELLWIRE_FUZZ_TARGET names a target");
    fuzz::find(&name).expect("there is a target of this name")
});

fuzz_target!(init: TARGET.plant(), |input: &[u8]| (TARGET.run)(input));
