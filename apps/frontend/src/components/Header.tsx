"use client";

import Link from "next/link";
import { usePathname } from "next/navigation";
import { Mark } from "@/components/Mark";
import { ThemeToggle } from "@/components/ThemeToggle";
import styles from "./Header.module.css";

const PAGES = [
  { href: "/", label: "Dashboard" },
  { href: "/users/", label: "Users" },
  { href: "/road/", label: "The road" },
];

export function Header() {
  const here = withSlash(usePathname() ?? "/");
  return (
    <header className={styles.header}>
      <div className={styles.inner}>
        <Link className={styles.brand} href="/">
          <Mark />
          <span>The whole road</span>
        </Link>
        <nav className={styles.nav} aria-label="Pages">
          {PAGES.map(({ href, label }) => (
            <Link key={href} href={href} aria-current={here === href ? "page" : undefined}>
              {label}
            </Link>
          ))}
        </nav>
        <ThemeToggle />
      </div>
    </header>
  );
}

function withSlash(path: string): string {
  return path.endsWith("/") ? path : `${path}/`;
}
