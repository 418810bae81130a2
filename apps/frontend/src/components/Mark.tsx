/** The product's mark: traffic that grows 10, 25, 50, 100. */
export function Mark({ size = 26 }: { size?: number }) {
  return (
    <svg className="mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="currentColor" />
      <g fill="var(--mark-bars)">
        <rect x="6" y="21" width="4" height="4" rx="1" />
        <rect x="11.5" y="18" width="4" height="7" rx="1" />
        <rect x="17" y="13.5" width="4" height="11.5" rx="1" />
        <rect x="22.5" y="7" width="4" height="18" rx="1" />
      </g>
    </svg>
  );
}
