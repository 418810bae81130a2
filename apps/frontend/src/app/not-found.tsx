import Link from "next/link";

export default function NotFound() {
  return (
    <div className="page lost">
      <p className="eyebrow">404</p>
      <h1>This road ends here.</h1>
      <p className="lead">
        There is no page at this address. Nothing is broken; the way back is short.
      </p>
      <p className="actions">
        <Link className="button primary" href="/">
          To the dashboard
        </Link>
        <Link className="button" href="/road/">
          See the road
        </Link>
      </p>
    </div>
  );
}
