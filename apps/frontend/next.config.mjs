/** @type {import('next').NextConfig} */
const config = {
  output: "export",
  // A folder with an index.html a page: every static server understands it.
  trailingSlash: true,
  // The same commit gives the same file names; null lets Next invent one.
  generateBuildId: () => process.env.NEXT_PUBLIC_APP_VERSION || null,
  reactStrictMode: true,
  poweredByHeader: false,
};

export default config;
