import Link from "next/link";
import { STATIONS } from "@/lib/road";
import styles from "./RoadStrip.module.css";

/** The road in one line. */
export function RoadStrip() {
  return (
    <nav className={styles.strip} aria-label="Stations of the road">
      <ol>
        {STATIONS.map(({ id, name }) => (
          <li key={id}>
            <Link href={`/road/#${id}`}>{name}</Link>
          </li>
        ))}
      </ol>
    </nav>
  );
}
