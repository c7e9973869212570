//! What the dynamic linker writes, told by sections and, where these were taken away, by the dynamic
//! segment.

use goheap_image::Executable;
use goheap_testkit::altered::Alteration;
use goheap_testkit::program::{BuildOptions, build_for};

#[test]
fn relocations_and_the_moduledata_without_section_headers() {
    let options = BuildOptions {
        pie: true,
        ldflags: Some("-s -w"),
        ..BuildOptions::default()
    };
    for (goarch, version) in [
        ("amd64", "1.19.8"),
        ("amd64", "1.27.3"),
        ("arm64", "1.24.3"),
    ] {
        let program = build_for(Some(goarch), version, "linked", &options).expect("a program");
        let altered = Alteration::NoSections.copy_of(&program.executable);
        let [whole, bare] = [program.executable, altered.expect("a copy")].map(|path| {
            let bytes = std::fs::read(path).expect("a file");
            Executable::parse(bytes).expect("an executable")
        });
        assert!(
            whole.is_pie() && whole.pclntab().is_some(),
            "{goarch} {version}"
        );
        assert!(
            bare.pclntab().is_none(),
            "{goarch} {version}: it has sections"
        );
        let relocations = whole.relocations();
        assert!(relocations.len() > 1000, "{goarch} {version}");
        assert!(bare.relocations() == relocations, "{goarch} {version}");
        let [known, found] = [&whole, &bare].map(|file| file.module_data().expect("moduledata"));
        assert_eq!(
            (found.at, found.pclntab),
            (known.at, known.pclntab),
            "{goarch} {version}"
        );
        assert_eq!((found.text, found.text_end), (known.text, known.text_end));
    }
}
