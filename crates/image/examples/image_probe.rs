//! scratch
use goheap_image::*;
fn main() {
    for path in std::env::args().skip(1) {
        let data = std::fs::read(&path).unwrap();
        let t = std::time::Instant::now();
        let exe = Executable::parse(data).unwrap();
        println!("{path}: {} pie={} entry={} bi={:?} go={:?} gnu={:?} parse {:?}", exe.goarch(), exe.is_pie(), exe.entry(), exe.build_info().map(|b| b.go_version), exe.go_build_id(), exe.gnu_build_id(), t.elapsed());
        let t = std::time::Instant::now();
        println!("allgs {:?} {:?}", exe.symbol("runtime.allgs"), t.elapsed());
        let t = std::time::Instant::now();
        println!("firstmd {:?} {:?}", exe.symbol("runtime.firstmoduledata"), t.elapsed());
        let t = std::time::Instant::now();
        let d = exe.dwarf();
        println!("dwarf {:?}  {:?}", d, t.elapsed());
        if let Ok(Some(d)) = d {
            let t = std::time::Instant::now();
            let mut todo: Vec<String> = "runtime.mspan runtime.mheap runtime.g runtime.m runtime.p runtime.mcache runtime.mcentral runtime.mstats runtime.schedt runtime.moduledata runtime._type runtime.itab runtime.hmap runtime.hchan runtime.sudog runtime._defer runtime._panic runtime.heapArena runtime.special runtime.specialfinalizer runtime.bucket runtime.finblock runtime.stackObjectRecord runtime.gcControllerState runtime.mutex internal/abi.Type runtime.itabTableType runtime.finalizer string []uint8 runtime.eface runtime.iface runtime.workType runtime.muintptr".split(' ').map(String::from).collect();
            let mut seen = std::collections::BTreeSet::new();
            let mut missing = vec![];
            while let Some(n) = todo.pop() {
                if !seen.insert(n.clone()) { continue; }
                match d.type_layout(&n).unwrap() {
                    None => missing.push(n),
                    Some(l) => match l.shape {
                        layout::Shape::Struct { members } => todo.extend(members.into_iter().map(|m| m.type_name)),
                        layout::Shape::Array { element, .. } => todo.push(element),
                        layout::Shape::Pointer { to } => todo.extend(to),
                        _ => {}
                    }
                }
            }
            println!("{} types in {:?}; missing {:?}", seen.len(), t.elapsed(), missing);
            println!("{:?}", d.type_layout("runtime.mSpanList"));
            let t = std::time::Instant::now();
            println!("{:?} {:?}", d.constant("runtime._PageShift"), t.elapsed());
            let t = std::time::Instant::now();
            println!("{:?} {:?}", d.constant("internal/abi.MinFrameSize"), t.elapsed());
        }
        let t = std::time::Instant::now();
        if let Some((a, b)) = exe.pclntab() {
            let f = pclntab::FuncTable::parse(b).unwrap();
            println!("pclntab {a} {} funcs {} start {:?} {:?}", b.len(), f.func_count(), f.text_start(), t.elapsed());
        }
    }
}
