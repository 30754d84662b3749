use super::*;

#[test]
fn all_maps_have_tables() {
    let names = Colormap::names();

    assert_eq!(names.len(), 173);
    for map in names {
        for name in std::iter::once(map.name.to_owned()).chain(map.aliases) {
            assert!(Colormap::named(&name).is_ok(), "{name}");
        }
    }
}

#[test]
fn tables_are_those_of_their_packages_entry_by_entry() -> std::result::Result<(), Box<dyn std::error::Error>>
{
    let list = include_str!("../../../tests/plots/colormaps.json");
    let list: serde_json::Value = serde_json::from_str(list)?;
    let maps = list["maps"].as_object().ok_or("no maps")?;

    assert_eq!(maps.len(), 173);
    for (name, map) in maps {
        let found: String =
            Colormap::named(name)?.table.iter().flatten().map(|part| format!("{part:02x}")).collect();
        assert_eq!(map["rgb"], found, "{name}");
    }
    Ok(())
}

#[test]
fn a_reversed_map_is_the_table_backwards() -> Result<()> {
    let mut table = Colormap::named("cmc.batlow")?.table;
    table.reverse();

    assert_eq!(Colormap::named("batlow_r")?.table, table);
    Ok(())
}

#[test]
fn names_are_found_in_any_case_where_they_are_clear() -> Result<()> {
    for (name, meant) in [("Viridis", "viridis"), ("rdbu_r", "RdBu_r"), ("CMO.Thermal", "cmo.thermal")] {
        assert_eq!(Colormap::named(name)?.table, Colormap::named(meant)?.table, "{name}");
    }
    Ok(())
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest() {
    assert_eq!(Colormap::nearest_names("virdis", 1), ["viridis"]);
    assert_eq!(Colormap::nearest_names("termal_r", 1), ["thermal_r"]);
    assert_eq!(Colormap::nearest_names("x", 5).len(), 5);
    for name in ["beige", "", "_r", "../../etc/passwd", &"é".repeat(10_000)] {
        let shown: String = name.chars().take(60).collect();
        assert!(matches!(Colormap::named(name), Err(Error::Invalid(text)) if text.contains(&shown)));
    }
}
