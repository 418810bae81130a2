import { FRONTEND_VERSION, shortVersion } from "@/lib/version";
import styles from "./Footer.module.css";

export function Footer() {
  return (
    <footer className={styles.footer}>
      <div className={styles.inner}>
        <p>A workshop on delivery: CI, CD and a canary on AWS.</p>
        <p>
          Front end <code title={FRONTEND_VERSION}>{shortVersion(FRONTEND_VERSION)}</code>
        </p>
      </div>
    </footer>
  );
}
